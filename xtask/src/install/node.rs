//! npm packages, exactly those of the lock file.

use std::fs;

use super::Tool;
use crate::process::{capture, command_in};

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// `node_modules` in the folder.
pub const TOOL: Tool = Tool {
    name: "node",
    recipe: |checkout| {
        let [package, lock] = FILES.map(|file| checkout.read(&in_clients(file)));
        Ok(package? + &lock?)
    },
    install: |checkout, folder| {
        for file in FILES {
            fs::copy(checkout.root.join(in_clients(file)), folder.join(file))
                .map_err(|error| format!("{file}: {error}"))?;
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        capture(command_in(folder, "npm").args(arguments)).map(drop)
    },
};

fn in_clients(file: &str) -> String {
    format!("integration-tests/clients/node/{file}")
}
