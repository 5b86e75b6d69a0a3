//! Where things are: the checkout, cargo's target folder, the cache of installed tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout that this xtask was compiled in, and the folders that go with it.
pub struct Checkout {
    /// The folder of the top-level Cargo.toml.
    pub root: PathBuf,
    /// `$STROM_CACHE`, or `strom` in the user's cache folder. Outside the checkout.
    pub cache: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Checkout {
    /// Finds the folders; fails when neither STROM_CACHE nor HOME is set.
    pub fn find() -> Result<Checkout, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("xtask has no parent folder")?
            .to_path_buf();
        let cache = match (std::env::var_os("STROM_CACHE"), std::env::var_os("HOME")) {
            (Some(cache), _) => std::path::absolute(PathBuf::from(cache))
                .map_err(|error| format!("STROM_CACHE: {error}"))?,
            (None, Some(home)) => PathBuf::from(home).join(".cache/strom"),
            (None, None) => return Err("set STROM_CACHE (a folder) or HOME".into()),
        };
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target"),
        };
        Ok(Checkout { root, cache, target })
    }

    /// A cargo command in the checkout.
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        crate::process::command_in(&self.root, cargo)
    }

    /// The folder of client drivers.
    pub fn clients(&self) -> PathBuf {
        self.root.join("integration-tests/clients")
    }

    /// A file of the checkout as text.
    pub fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.root.join(path)).map_err(|error| format!("{path}: {error}"))
    }

    /// The pinned version of a client or tool (integration-tests/clients/versions.toml).
    pub fn version(&self, name: &str) -> Result<String, String> {
        let path = "integration-tests/clients/versions.toml";
        pinned(&self.read(path)?, name).ok_or(format!("{path} does not name {name}"))
    }
}

/// The value of `name = "value"` in a flat TOML table.
fn pinned(table: &str, name: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::pinned;

    #[test]
    fn versions_are_found_by_their_whole_name() {
        let table = "# kcat = \"0\"\nkcat2 = \"9\"\nkcat = \"1.7.1-2\"\n";
        assert_eq!(pinned(table, "kcat").as_deref(), Some("1.7.1-2"));
        assert_eq!(pinned(table, "kca"), None);
    }
}
