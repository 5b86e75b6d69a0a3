//! The command line: where to read configuration from, and the subcommands that work.
//!
//! Options are not flags of their own: `--set key=value` takes every key of the option table, so
//! the command line, the file and the environment share one list of names.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::commands::topic::TopicCommand;
use crate::commands::verify::VerifyCommand;
use crate::config::{self, Config, ConfigError, ConfigErrors, Loaded, Sources};

/// A Kafka broker whose topics are Iceberg tables.
///
/// Without a subcommand the broker runs until Ctrl-C or SIGTERM. Settings come from --set, then
/// from STROM_… environment variables, then from --config, then from defaults.
#[derive(Debug, Parser)]
#[command(name = "strom", version)]
pub struct Cli {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one option, as --set num.partitions=3; may be repeated, the last one wins
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the binary can do besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print every option with its type, default and trade-off, as Markdown
    Config,
    /// List, describe and create topics of a broker that runs
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Re-read everything that a broker has of a topic, and compare it with what was produced
    Verify(VerifyCommand),
}

impl Cli {
    /// Reads the configuration that this command line, the environment and the file ask for.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let environment = std::env::vars_os()
            .map(|(name, value)| (lossy(&name), lossy(&value)))
            .filter(|(name, _)| name.starts_with("STROM_") || name.starts_with("AWS_"))
            .collect();
        let file = self.config.as_deref().map(read).transpose()?;
        let sources = Sources { flags: self.set.clone(), environment, file };
        let current_dir = std::env::current_dir().map_err(|e| {
            let remedy = "start the broker in a directory that exists";
            one_error("data.dir", None, format!("needs the current directory: {e}"), remedy)
        })?;
        Config::load(&sources, &current_dir)
    }
}

/// Writes the option table to standard output.
pub fn print_options() -> std::io::Result<()> {
    std::io::stdout().lock().write_all(config::documentation().as_bytes())
}

fn read(path: &Path) -> Result<(PathBuf, String), ConfigErrors> {
    std::fs::read_to_string(path).map(|text| (path.to_owned(), text)).map_err(|e| {
        let remedy = "name a readable TOML file, or leave --config out";
        one_error("--config", Some(path), format!("cannot be read: {e}"), remedy)
    })
}

fn one_error(key: &str, value: Option<&Path>, problem: String, remedy: &str) -> ConfigErrors {
    ConfigErrors(vec![ConfigError {
        key: key.to_owned(),
        value: value.map(|path| path.display().to_string()),
        place: "the command line".to_owned(),
        problem,
        remedy: remedy.to_owned(),
    }])
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn set_may_be_repeated_and_the_last_one_wins() {
        let args =
            ["strom", "--set", "node.id=3", "--set", "num.partitions=2", "--set", "node.id=4"];
        let cli = Cli::try_parse_from(args).unwrap();
        let sources = Sources { flags: cli.set, ..Sources::default() };
        let config = Config::load(&sources, Path::new("/work")).unwrap().config;
        assert_eq!((config.node_id, config.num_partitions), (4, 2));
    }

    #[test]
    fn an_unreadable_file_is_named_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("strom.toml");
        let cli = Cli { config: Some(missing.clone()), set: vec![], command: None };
        let message = cli.load().unwrap_err().to_string();
        assert!(message.contains(&missing.display().to_string()), "{message}");
        assert!(message.contains("cannot be read"), "{message}");
    }
}
