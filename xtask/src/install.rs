//! Installs what the tests use into the cache, once per recipe.
//!
//! A tool's folder is named after a hash of its recipe (versions and source files), so that a
//! changed pin installs anew, another checkout's tools stay untouched, and a warm run costs a
//! few file reads. The stamp `installed` is written last: a folder without it is an interrupted
//! installation and begins again. A lock file lets two runs share a cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::checkout::Checkout;

mod cargo_deny;
mod engines;
mod go;
mod iceberg_java;
mod java;
mod kcat;
mod node;
mod python;
mod s3;
mod trino;

/// Something the tests need from a registry.
pub struct Tool {
    /// The folder's name, and in upper case the end of the variable that tells tests where it is.
    pub name: &'static str,
    /// Everything that decides what gets installed, as text.
    pub recipe: fn(&Checkout) -> Result<String, String>,
    /// Installs into an existing, empty folder.
    pub install: fn(&Checkout, &Path) -> Result<(), String>,
}

/// The real clients, and the control among them.
pub const CLIENTS: &[Tool] = &[kcat::TOOL, python::TOOL, node::TOOL, go::TOOL, java::TOOL];

/// The query engines, and the S3 server that some of their tests read from.
pub const ENGINES: &[Tool] = &[engines::TOOL, trino::TOOL, iceberg_java::TOOL, s3::TOOL];

/// What `cargo xtask ci` itself needs.
pub const CARGO_DENY: Tool = cargo_deny::TOOL;

/// Installs the tools that are not there yet. Returns the variables that tell the tests where
/// each is: `STROM_CLIENT_KCAT` and so on.
pub fn all(checkout: &Checkout, tools: &[Tool]) -> Result<Vec<(String, PathBuf)>, String> {
    let mut variables = Vec::new();
    for tool in tools {
        let variable = format!("STROM_CLIENT_{}", tool.name.to_uppercase().replace('-', "_"));
        variables.push((variable, one(checkout, tool)?));
    }
    Ok(variables)
}

/// Installs one tool unless it is there; returns its folder.
pub fn one(checkout: &Checkout, tool: &Tool) -> Result<PathBuf, String> {
    let recipe = (tool.recipe)(checkout)?;
    let root = checkout.cache.join("clients");
    let folder = root.join(format!("{}-{:016x}", tool.name, fnv1a(recipe.as_bytes())));
    let stamp = folder.join("installed");
    if stamp.is_file() {
        return Ok(folder);
    }
    let context = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&root).map_err(context)?;
    let lock = File::create(root.join(format!("{}.lock", tool.name))).map_err(context)?;
    lock.lock().map_err(context)?;
    if stamp.is_file() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(context)?;
    }
    fs::create_dir_all(&folder).map_err(context)?;
    eprintln!("installing {} into {}", tool.name, folder.display());
    let started = Instant::now();
    (tool.install)(checkout, &folder).map_err(|error| {
        format!("cannot install {} (is its registry reachable?): {error}", tool.name)
    })?;
    fs::write(&stamp, recipe).map_err(context)?;
    eprintln!("installed {} in {:.1} s", tool.name, started.elapsed().as_secs_f32());
    Ok(folder)
}

/// A stable hash (FNV-1a): the folder of a recipe must not move with the compiler's version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A registry that is away must be an error that says so, every time, never a tool left out.
    #[test]
    fn an_unreachable_registry_is_an_error_that_names_the_tool() {
        let folder = std::env::temp_dir().join(format!("strom-install-{}", std::process::id()));
        let checkout =
            Checkout { root: folder.clone(), cache: folder.clone(), target: folder.clone() };
        let absent = Tool {
            name: "absent",
            recipe: |_| Ok("absent 1.0".into()),
            install: |_, folder| {
                fs::write(folder.join("half"), "").map_err(|error| error.to_string())?;
                Err("could not connect to 127.0.0.1:9".into())
            },
        };
        for _ in 0..2 {
            let error = all(&checkout, std::slice::from_ref(&absent)).unwrap_err();
            assert!(error.starts_with("cannot install absent (is its registry reachable?)"));
            assert!(error.ends_with("could not connect to 127.0.0.1:9"), "{error}");
        }
        // Half an installation is not taken for a whole one.
        let there = Tool { install: |_, folder| whole(folder), ..absent };
        let found = one(&checkout, &there).unwrap();
        assert!(!found.join("half").exists() && found.join("installed").is_file());
        fs::remove_dir_all(&folder).unwrap();
    }

    fn whole(folder: &Path) -> Result<(), String> {
        fs::write(folder.join("whole"), "").map_err(|error| error.to_string())
    }
}
