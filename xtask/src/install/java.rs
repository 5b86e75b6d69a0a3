//! Apache Kafka's jars from Maven (clients, tools, and the broker that is the control), and our
//! programs compiled against them.

use std::path::Path;
use std::process::Command;

use super::Tool;
use crate::checkout::Checkout;
use crate::process::capture;

/// `lib` holds the jars, `classes` the driver and the runner of Apache's tools.
pub const TOOL: Tool = Tool { name: "java", recipe, install };

fn recipe(checkout: &Checkout) -> Result<String, String> {
    let pom = checkout.read("integration-tests/clients/java/pom.xml")?;
    let driver = checkout.read("integration-tests/clients/java/Driver.java")?;
    let tools = checkout.read("integration-tests/clients/java/Tools.java")?;
    Ok(pom + &driver + &tools)
}

fn install(checkout: &Checkout, folder: &Path) -> Result<(), String> {
    let source = checkout.clients().join("java");
    maven_jars(&source.join("pom.xml"), &folder.join("lib"))?;
    let jars = folder.join("lib/*");
    capture(
        Command::new("javac")
            .args(["--release", "17", "-nowarn", "-proc:none", "-d"])
            .arg(folder.join("classes"))
            .arg("-cp")
            .arg(jars)
            .args([source.join("Driver.java"), source.join("Tools.java")]),
    )
    .map(drop)
}

/// Resolves a pom's run-time dependencies into a folder of jars.
pub fn maven_jars(pom: &Path, folder: &Path) -> Result<(), String> {
    let mut output = std::ffi::OsString::from("-DoutputDirectory=");
    output.push(folder);
    capture(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "-DincludeScope=runtime", "-f"])
            .arg(pom)
            .arg("dependency:copy-dependencies")
            .arg(output),
    )
    .map(drop)
}
