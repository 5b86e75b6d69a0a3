//! kcat: the system's own at the pinned version, else Debian's packages unpacked without root.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Tool;
use crate::checkout::Checkout;
use crate::doctor::on_path;
use crate::process::{capture, command_in, printed};

/// The libraries that kcat needs and that a minimal Debian lacks.
const PACKAGES: &[&str] = &["kcat", "librdkafka1", "libyajl2"];

/// `bin/kcat` in the folder runs it.
pub const TOOL: Tool = Tool { name: "kcat", recipe, install };

fn recipe(checkout: &Checkout) -> Result<String, String> {
    let mut recipe = String::from(include_str!("kcat.rs"));
    for package in PACKAGES {
        recipe.push_str(&format!("{package}={}\n", checkout.version(package)?));
    }
    Ok(recipe)
}

fn install(checkout: &Checkout, folder: &Path) -> Result<(), String> {
    let pinned = checkout.version("kcat")?;
    let upstream = pinned.split('-').next().unwrap_or(&pinned);
    let start = match on_path("kcat").filter(|path| is_version(path, upstream)) {
        Some(system) => format!("#!/bin/sh\nexec {} \"$@\"\n", system.display()),
        None => unpack(checkout, folder)?,
    };
    let bin = folder.join("bin");
    let script = bin.join("kcat");
    fs::create_dir_all(&bin).map_err(|error| format!("{}: {error}", bin.display()))?;
    fs::write(&script, start).map_err(|error| format!("{}: {error}", script.display()))?;
    capture(Command::new("chmod").arg("755").arg(&script))?;
    capture(Command::new(&script).arg("-V")).map(drop)
}

fn is_version(kcat: &Path, version: &str) -> bool {
    printed(kcat, &["-V"]).is_some_and(|text| text.contains(&format!("Version {version} ")))
}

/// Fetches and unpacks the packages; returns the script that starts kcat from there.
fn unpack(checkout: &Checkout, folder: &Path) -> Result<String, String> {
    if on_path("apt-get").is_none() || on_path("dpkg-deb").is_none() {
        return Err(format!(
            "without apt-get and dpkg-deb, install kcat {} yourself",
            checkout.version("kcat")?
        ));
    }
    let root = folder.join("root");
    for package in PACKAGES {
        let wanted = format!("{package}={}", checkout.version(package)?);
        let fetch = || capture(command_in(folder, "apt-get").args(["-q", "download", &wanted]));
        if fetch().is_err() {
            // A fresh machine has no package lists yet; without root this fails, and says so.
            capture(Command::new("apt-get").args(["-q", "update"]))?;
            fetch()?;
        }
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "deb") {
            capture(Command::new("dpkg-deb").arg("-x").arg(entry.path()).arg(&root))?;
        }
    }
    let libraries = capture(Command::new("find").arg(&root).args(["-name", "librdkafka.so.1"]))?;
    let library = Path::new(libraries.trim()).parent().ok_or("librdkafka.so.1 was not unpacked")?;
    Ok(format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}/usr/bin/kcat' \"$@\"\n",
        library.display(),
        root.display()
    ))
}
