//! Project automation: `cargo xtask test`, `ci`, `doctor`, `generate`.
//!
//! Std and clap only, so that the first command of a fresh checkout starts within seconds.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod bench;
mod checkout;
mod ci;
mod doctor;
mod generate;
mod install;
mod process;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use checkout::Checkout;
use test::Against;

/// Automation of the Strom project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs the real clients and engines into the cache and runs every tier of tests
    Test {
        /// What the client tests talk to
        #[arg(long, value_enum, default_value = "strom")]
        against: Against,
        /// Run only tests whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Compares the release broker with Apache Kafka on this machine
    Bench {
        /// [--short] [--runs N] [--only PART]: --short takes about five minutes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Format, lints, licences, documentation, then all tests
    Ci,
    /// Checks that this machine has what building and testing need
    Doctor,
    /// Writes the generated parts of the protocol crate from its schema
    Generate {
        /// Write nothing; fail when something is stale
        #[arg(long)]
        check: bool,
    },
    /// Installs, and prints the variables that a bare `cargo test` needs: eval "$(cargo xtask env)"
    Env {
        /// What the client tests shall talk to
        #[arg(long, value_enum, default_value = "strom")]
        against: Against,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), String> {
    let checkout = Checkout::find()?;
    match task {
        Task::Test { against, only } => test::run_tests(&checkout, against, only.as_deref()),
        Task::Bench { arguments } => bench::run_bench(&checkout, &arguments),
        Task::Ci => ci::run_all(&checkout),
        Task::Doctor => {
            let problems = doctor::problems(|found| println!("ok: {found}"));
            if problems.is_empty() {
                return Ok(());
            }
            Err(format!("this machine lacks:\n  - {}", problems.join("\n  - ")))
        }
        Task::Generate { check } => generate::run(check),
        Task::Env { against } => {
            for (name, value) in test::variables(&checkout, against)? {
                println!("export {name}='{}'", value.display());
            }
            Ok(())
        }
    }
}
