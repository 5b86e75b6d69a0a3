//! Python packages in a virtual environment.

use std::path::Path;
use std::process::Command;

use super::Tool;
use crate::process::capture;

const REQUIREMENTS: &str = "integration-tests/clients/python/requirements.txt";

/// `bin/python` in the folder has the packages.
pub const TOOL: Tool = Tool {
    name: "python",
    recipe: |checkout| checkout.read(REQUIREMENTS),
    install: |checkout, folder| virtual_environment(folder, &checkout.root.join(REQUIREMENTS)),
};

/// Makes a virtual environment with the requirements, wheels only: nothing is compiled.
pub fn virtual_environment(folder: &Path, requirements: &Path) -> Result<(), String> {
    capture(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    capture(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"])
            .arg(requirements),
    )
    .map(drop)
}
