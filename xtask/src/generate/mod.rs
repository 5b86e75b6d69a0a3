//! Writes `protocol/src/messages/*.rs` from `protocol/schema/*.txt`.
//!
//! A schema file describes one API (or, with `data`, messages that are not requests). Lines are
//!
//! ```text
//! api 1 Fetch                                   the API key and Kafka's name
//! request 4-18 flexible=12+                     the message, its versions, its flexible versions
//!   RackId string 11+ default=x ignorable       name, type, versions, options; indented by depth
//!   Topics []FetchTopic 0+                      the fields of a struct follow, indented further
//! ```
//!
//! Options: `nullable=VERSIONS`, `tag=NUMBER:VERSIONS`, `default=VALUE`, `ignorable`; on a message
//! `unstable_latest`. Versions are `3`, `3-5`, `3+` or `none`. The generated code is checked in;
//! a test in protocol runs this module and fails when the code is stale.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

mod emit;
pub mod schema;
mod shape;

/// Writes the generated files, or with `check` only reports which of them are stale.
pub fn run(check: bool) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace directory")?;
    run_in(&root.join("protocol"), check)
}

/// Does the work of [`run`] for the protocol crate in directory `protocol`.
pub fn run_in(protocol: &Path, check: bool) -> Result<(), String> {
    let wanted = render(&protocol.join("schema"))?;
    let directory = protocol.join("src/messages");
    let names: HashSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let mut stale = Vec::new();
    for path in files_in(&directory, "rs")? {
        let name = file_name(&path);
        if !names.contains(name.as_str()) {
            stale.push(name);
            if !check {
                std::fs::remove_file(&path).map_err(|error| at(&path, &error))?;
            }
        }
    }
    for (name, text) in &wanted {
        let path = directory.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|present| present == *text) {
            continue;
        }
        stale.push(name.clone());
        if !check {
            std::fs::write(&path, text).map_err(|error| at(&path, &error))?;
        }
    }
    if check && !stale.is_empty() {
        let list = stale.join(", ");
        return Err(format!("stale in protocol/src/messages: {list}; run `cargo xtask generate`"));
    }
    Ok(())
}

/// All generated files as (file name, text), from the schema files in a directory.
pub fn render(directory: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    let mut modules = String::new();
    for path in files_in(directory, "txt")? {
        let text = std::fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
        let file = schema::parse(&text).map_err(|error| format!("{}:{error}", path.display()))?;
        let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let code = emit::file(&file, &module).map_err(|e| format!("{}: {e}", path.display()))?;
        let _ = writeln!(modules, "#[rustfmt::skip]\npub mod {module};");
        files.push((format!("{module}.rs"), code));
    }
    files.push(("mod.rs".to_string(), format!("{}{modules}", emit::MODULE_HEADER)));
    Ok(files)
}

fn files_in(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| at(directory, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| at(directory, &error))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
