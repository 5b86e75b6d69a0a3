//! cargo-deny: licences, bans and sources of the dependency tree.

use super::Tool;
use crate::process::run;

/// `bin/cargo-deny` in the folder.
pub const TOOL: Tool = Tool {
    name: "cargo-deny",
    recipe: |checkout| checkout.version("cargo-deny"),
    install: |checkout, folder| {
        let version = checkout.version("cargo-deny")?;
        run(checkout
            .cargo()
            .args(["install", "--locked", "--quiet", "cargo-deny", "--version", &version, "--root"])
            .arg(folder)
            .arg("--target-dir")
            .arg(checkout.cache.join("cargo-deny-target")))
    },
};
