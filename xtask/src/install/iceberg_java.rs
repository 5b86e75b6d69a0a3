//! Iceberg's Java reference client from Maven, and our driver compiled against it.

use std::path::Path;
use std::process::Command;

use super::{Tool, java};
use crate::checkout::Checkout;
use crate::process::capture;

const SOURCE: &str = "integration-tests/engines/iceberg-java";

/// `lib` holds the jars, `classes` the driver.
pub const TOOL: Tool = Tool { name: "iceberg-java", recipe, install };

fn recipe(checkout: &Checkout) -> Result<String, String> {
    let pom = checkout.read(&format!("{SOURCE}/pom.xml"))?;
    let driver = checkout.read(&format!("{SOURCE}/Driver.java"))?;
    Ok(pom + &driver)
}

fn install(checkout: &Checkout, folder: &Path) -> Result<(), String> {
    let source = checkout.root.join(SOURCE);
    java::maven_jars(&source.join("pom.xml"), &folder.join("lib"))?;
    capture(
        Command::new("javac")
            .args(["--release", "17", "-nowarn", "-proc:none", "-d"])
            .arg(folder.join("classes"))
            .arg("-cp")
            .arg(folder.join("lib/*"))
            .arg(source.join("Driver.java")),
    )
    .map(drop)
}
