//! The franz-go driver, compiled once.

use super::Tool;
use crate::process::{capture, command_in};

const FILES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// `driver` in the folder.
pub const TOOL: Tool = Tool {
    name: "go",
    recipe: |checkout| {
        let sources =
            FILES.map(|file| checkout.read(&format!("integration-tests/clients/go/{file}")));
        sources.into_iter().collect()
    },
    install: |checkout, folder| {
        let arguments = ["build", "-buildvcs=false", "-mod=readonly", "-o"];
        let output = folder.join("driver");
        let source = checkout.clients().join("go");
        capture(command_in(&source, "go").args(arguments).arg(output).arg(".")).map(drop)
    },
};
