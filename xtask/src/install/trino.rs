//! Trino from Maven: no server archive of its newer versions is published, but the jars are.
//!
//! ```text
//! lib/                   the server's jars
//! main/                  our three-line main class
//! plugin/iceberg/        the plug-in's jars, and `registration`, which names its class: the jars
//!                        themselves do not (Trino's own build adds that to its archives)
//! version, java-home     what to tell the server it is, and the JDK to run it with
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Tool;
use crate::checkout::Checkout;
use crate::doctor;
use crate::process::capture;

const SOURCE: &str = "integration-tests/engines/trino";
const PLUGIN_CLASS: &str = "io.trino.plugin.iceberg.IcebergPlugin\n";
/// The least Java that this version of Trino runs on.
const JAVA: u32 = 25;

/// The folder is what `integration-tests/engines/trino_server.py` wants as TRINO_HOME.
pub const TOOL: Tool = Tool { name: "trino", recipe, install };

fn recipe(checkout: &Checkout) -> Result<String, String> {
    let pom = checkout.read(&format!("{SOURCE}/pom.xml"))?;
    let main = checkout.read(&format!("{SOURCE}/StartTrino.java"))?;
    Ok(format!("{pom}{main}{}\n", doctor::jdk(JAVA)?.display()))
}

fn install(checkout: &Checkout, folder: &Path) -> Result<(), String> {
    let source = checkout.root.join(SOURCE);
    let pom = source.join("pom.xml");
    let java_home = doctor::jdk(JAVA)?;
    copy_jars(&pom, "server", &folder.join("lib"))?;
    copy_jars(&pom, "iceberg", &folder.join("plugin/iceberg"))?;
    capture(
        Command::new(java_home.join("bin/javac"))
            .args(["-proc:none", "-d"])
            .arg(folder.join("main"))
            .arg("-cp")
            .arg(folder.join("lib/*"))
            .arg(source.join("StartTrino.java")),
    )?;
    let services = folder.join("plugin/iceberg/registration/META-INF/services");
    let text = checkout.read(&format!("{SOURCE}/pom.xml"))?;
    let version = element(&text, "trino.version").ok_or("pom.xml has no trino.version")?;
    fs::create_dir_all(&services)
        .and_then(|()| fs::write(services.join("io.trino.spi.Plugin"), PLUGIN_CLASS))
        .and_then(|()| fs::write(folder.join("version"), version))
        .and_then(|()| {
            fs::write(folder.join("java-home"), java_home.as_os_str().as_encoded_bytes())
        })
        .map_err(|error| format!("{}: {error}", folder.display()))
}

/// Resolves one profile's run-time dependencies into a folder of jars.
fn copy_jars(pom: &Path, profile: &str, folder: &Path) -> Result<(), String> {
    let mut output = std::ffi::OsString::from("-DoutputDirectory=");
    output.push(folder);
    capture(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "-DincludeScope=runtime", "-P", profile, "-f"])
            .arg(pom)
            .arg("dependency:copy-dependencies")
            .arg(output),
    )
    .map(drop)
}

/// The text of the first `<name>…</name>`.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn the_version_is_read_from_the_pom() {
        let check = |xml: &str, expected: Option<&str>| assert_eq!(element(xml, "v"), expected);
        check("<p><v> 483 </v><v>1</v></p>", Some("483"));
        check("<p>483</p>", None);
    }
}
