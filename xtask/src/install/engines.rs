//! DuckDB, pyiceberg and Trino's client as Python packages. An environment of their own: their
//! pins move with the engines, those of the Kafka clients with the clients.

use super::{Tool, python};

const REQUIREMENTS: &str = "integration-tests/engines/requirements.txt";

/// `bin/python` in the folder runs the programs of integration-tests/engines.
pub const TOOL: Tool = Tool {
    name: "engines",
    recipe: |checkout| checkout.read(REQUIREMENTS),
    install: |checkout, folder| {
        python::virtual_environment(folder, &checkout.root.join(REQUIREMENTS))
    },
};
