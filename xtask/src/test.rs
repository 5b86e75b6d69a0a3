//! `cargo xtask test`: installs what is needed, then runs every tier.

use std::path::PathBuf;

use crate::checkout::Checkout;
use crate::process::run;
use crate::{doctor, install};

/// What the client tests talk to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Against {
    /// The broker of this checkout.
    Strom,
    /// Apache Kafka, as the control: the client tests only.
    Kafka,
}

/// Tests of the suite that ask for more than a Kafka broker: skipped with Kafka, and said so.
const STROM_ONLY: &[&str] = &[
    "catalog::",
    "engines::",
    "crash::",
    "full_disk::",
    "group_state::",
    "docs::",
    "hostile::",
    "refused_starts::",
    "commands::",
    "compose::",
    "strom_only::",
];

/// Runs the tests; the runners' own summaries stay visible.
pub fn run_tests(checkout: &Checkout, against: Against, only: Option<&str>) -> Result<(), String> {
    doctor::require()?;
    let variables = variables(checkout, against)?;
    if against == Against::Strom {
        // One graph for everything, so that the broker under test and the test binaries share
        // features, and the binary exists before the first test asks for it.
        run(checkout.cargo().args(["build", "--workspace", "--all-targets"]))?;
    }
    let mut cargo = checkout.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).envs(variables);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // Tests of groups mostly wait for sessions to expire: more of them than there are cores.
        cargo.env("RUST_TEST_THREADS", "5");
    }
    if against == Against::Kafka {
        cargo.args(["--test", "suite"]);
        eprintln!("against Apache Kafka: {} are left out", STROM_ONLY.join(", "));
    }
    cargo.arg("--").args(only);
    if against == Against::Kafka {
        cargo.args(STROM_ONLY.iter().flat_map(|name| ["--skip", name]));
    }
    run(&mut cargo)
}

/// Installs what the tests need and returns the variables that tell them where everything is.
pub fn variables(checkout: &Checkout, against: Against) -> Result<Vec<(String, PathBuf)>, String> {
    let mut variables = install::all(checkout, install::CLIENTS)?;
    match against {
        Against::Strom => {
            variables.extend(install::all(checkout, install::ENGINES)?);
            variables.push(("STROM_TEST_AGAINST".into(), "strom".into()));
        }
        Against::Kafka => variables.push(("STROM_TEST_AGAINST".into(), "kafka".into())),
    }
    variables.push(("STROM_BIN".into(), checkout.target.join("debug/strom")));
    Ok(variables)
}
