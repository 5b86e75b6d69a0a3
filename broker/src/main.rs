//! The `strom` binary: reads the command line, then serves or does what the subcommand says.
//!
//! Exit codes: 0 after a clean stop, 1 when serving failed, 2 when the configuration is wrong,
//! 130 after a second Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use strom::cli::{Cli, Command, print_options};
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

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "strom: {message}");
    ExitCode::from(code)
}
