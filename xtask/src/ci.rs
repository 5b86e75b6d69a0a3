//! `cargo xtask ci`: everything that must hold before a change is merged.

use std::time::Instant;

use crate::checkout::Checkout;
use crate::process::run;
use crate::test::{Against, run_tests};
use crate::{doctor, generate, install};

/// One step: its name, and what it does.
type Step = (&'static str, fn(&Checkout) -> Result<(), String>);

const STEPS: &[Step] = &[
    ("format", |checkout| run(checkout.cargo().args(["fmt", "--all", "--check"]))),
    ("generated code", |_| generate::run(true)),
    ("clippy", |checkout| {
        let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        run(checkout.cargo().args(arguments))
    }),
    ("licences, bans, sources", deny),
    ("documentation", |checkout| {
        let arguments = ["doc", "--no-deps", "--workspace"];
        run(checkout.cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("tests", |checkout| run_tests(checkout, Against::Strom, None)),
];

/// Runs all steps, stops at the first that fails, and says how long each took.
pub fn run_all(checkout: &Checkout) -> Result<(), String> {
    doctor::require()?;
    for (name, step) in STEPS {
        eprintln!("ci: {name}");
        let started = Instant::now();
        step(checkout).map_err(|error| format!("{name}: {error}"))?;
        eprintln!("ci: {name} took {:.0} s", started.elapsed().as_secs_f32());
    }
    Ok(())
}

fn deny(checkout: &Checkout) -> Result<(), String> {
    let folder = install::one(checkout, &install::CARGO_DENY)?;
    let mut command = crate::process::command_in(&checkout.root, folder.join("bin/cargo-deny"));
    run(command.args(["--workspace", "check", "licenses", "bans", "sources"]))
}
