//! The `strom` binary: reads the command line, then serves or does what the subcommand says.
//!
//! Exit codes: 0 after a clean stop, 1 when serving or a command failed, 2 when the configuration
//! or the command line is wrong,
//! 130 after a second Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use strom::cli::{Cli, Command, print_options};
use strom::commands::Failure;
use strom::config::Loaded;

/// How long blocking reads may still take when everything else has ended.
const STRAGGLERS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Config) => match print_options() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("the options cannot be printed: {error}")),
        },
        Some(Command::Topic(command)) => say(strom::commands::topic::run(&command)),
        Some(Command::Verify(command)) => say(strom::commands::verify::run(&command)),
        None => match cli.load() {
            Ok(loaded) => serve(loaded),
            Err(errors) => fail(2, &errors.to_string()),
        },
    }
}

fn serve(loaded: Loaded) -> ExitCode {
    strom::logging::init(&loaded.config);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("the runtime cannot be started: {error}")),
    };
    let outcome = runtime.block_on(strom::serve::run(loaded.config));
    // Everything that must end has ended; a read that hangs on the disk does not hold the exit up.
    runtime.shutdown_timeout(STRAGGLERS);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// Prints what a command found, or says why it failed.
fn say(outcome: Result<String, Failure>) -> ExitCode {
    match outcome {
        Ok(text) => match std::io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("the answer cannot be printed: {error}")),
        },
        Err(failure) => fail(1, &failure.to_string()),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "strom: {message}");
    ExitCode::from(code)
}
