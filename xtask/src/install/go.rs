//! The drivers of the Go clients, compiled once.

use super::Tool;
use crate::process::{capture, command_in};

const FILES: [&str; 5] = ["go.mod", "go.sum", "wire/wire.go", "franz-go/main.go", "sarama/main.go"];

/// `franz-go` and `sarama` in the folder.
pub const TOOL: Tool = Tool {
    name: "go",
    recipe: |checkout| {
        let sources =
            FILES.map(|file| checkout.read(&format!("integration-tests/clients/go/{file}")));
        sources.into_iter().collect()
    },
    install: |checkout, folder| {
        let arguments = ["build", "-buildvcs=false", "-mod=readonly", "-o"];
        let source = checkout.clients().join("go");
        let mut build = command_in(&source, "go");
        capture(build.args(arguments).arg(folder).args(["./franz-go", "./sarama"])).map(drop)
    },
};
