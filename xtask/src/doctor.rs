//! What must be on the machine before anything can be built or tested, and what to do about gaps.

use std::path::{Path, PathBuf};

use crate::process::printed;

/// One prerequisite: how to find its version, the least that will do, and the remedy.
struct Need {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    least: &'static [u32],
    remedy: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        name: "Rust",
        program: "rustc",
        arguments: &["--version"],
        least: &[1, 95],
        remedy: "install it with rustup (https://rustup.rs), or run `rustup update`",
    },
    Need {
        name: "rustfmt",
        program: "cargo",
        arguments: &["fmt", "--version"],
        least: &[1],
        remedy: "rustup component add rustfmt",
    },
    Need {
        name: "clippy",
        program: "cargo",
        arguments: &["clippy", "--version"],
        least: &[0, 1],
        remedy: "rustup component add clippy",
    },
    Need {
        name: "C compiler",
        program: "cc",
        arguments: &["--version"],
        least: &[],
        remedy: "apt-get install build-essential (librdkafka and zstd are compiled from C)",
    },
    Need {
        name: "make",
        program: "make",
        arguments: &["--version"],
        least: &[4],
        remedy: "apt-get install build-essential (librdkafka is compiled from C)",
    },
    Need {
        name: "Java compiler",
        program: "javac",
        arguments: &["-version"],
        least: &[17],
        remedy: "apt-get install openjdk-17-jdk-headless (Apache's clients, tools and broker)",
    },
    Need {
        name: "Java runtime",
        program: "java",
        arguments: &["-version"],
        least: &[17],
        remedy: "apt-get install openjdk-17-jdk-headless (Apache's clients, tools and broker)",
    },
    Need {
        name: "Maven",
        program: "mvn",
        arguments: &["-Dstyle.color=never", "--version"],
        least: &[3, 6],
        remedy: "apt-get install maven (fetches Apache Kafka and Trino)",
    },
    Need {
        name: "Go",
        program: "go",
        arguments: &["version"],
        least: &[1, 21],
        remedy: "install Go from https://go.dev/dl (for franz-go and sarama)",
    },
    Need {
        name: "Node",
        program: "node",
        arguments: &["--version"],
        least: &[20],
        remedy: "install Node 20 or later (for the Node clients)",
    },
    Need {
        name: "npm",
        program: "npm",
        arguments: &["--version"],
        least: &[9],
        remedy: "install npm; it comes with Node (for the Node clients)",
    },
    Need {
        name: "Python",
        program: "python3",
        arguments: &["--version"],
        least: &[3, 10],
        remedy: "apt-get install python3 (the Python clients, DuckDB, pyiceberg)",
    },
    Need {
        name: "Python's venv and pip",
        program: "python3",
        arguments: &["-c", "import venv, ensurepip; print(ensurepip.version())"],
        least: &[20],
        remedy: "apt-get install python3-venv",
    },
];

/// Everything that is missing or too old, one message each; found versions go to `report`.
pub fn problems(mut report: impl FnMut(&str)) -> Vec<String> {
    let mut problems = Vec::new();
    for need in NEEDS {
        let least = dotted(need.least);
        let found = printed(need.program, need.arguments).and_then(|text| version_in(&text));
        match found {
            Some(found) if found.as_slice() >= need.least => {
                report(&format!("{} {}", need.name, dotted(&found)));
            }
            Some(found) => problems.push(format!(
                "{} is {}, at least {least} is needed: {}",
                need.name,
                dotted(&found),
                need.remedy
            )),
            None => problems.push(format!("{} is missing: {}", need.name, need.remedy)),
        }
    }
    match jdk(25) {
        Ok(home) => report(&format!("JDK 25 in {}", home.display())),
        Err(problem) => problems.push(problem),
    }
    match kcat_source() {
        Ok(found) => report(&format!("kcat from {found}")),
        Err(problem) => problems.push(problem),
    }
    problems
}

/// Fails with all problems at once.
pub fn require() -> Result<(), String> {
    let problems = problems(|_| ());
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("this machine lacks what the tests need:\n  - {}", problems.join("\n  - ")))
}

/// The home of a JDK of exactly this major version: `JAVA<major>_HOME`, `JAVA_HOME`, then the
/// usual folders.
pub fn jdk(major: u32) -> Result<PathBuf, String> {
    let mut homes: Vec<PathBuf> = [format!("JAVA{major}_HOME"), "JAVA_HOME".into()]
        .iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .collect();
    for folder in ["/usr/lib/jvm", "/opt"] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        found.sort();
        homes.extend(found);
    }
    let fits = |home: &PathBuf| {
        let release = std::fs::read_to_string(home.join("release")).unwrap_or_default();
        java_major(&release) == Some(major) && home.join("bin/javac").is_file()
    };
    homes.into_iter().find(fits).ok_or(format!(
        "JDK {major} is missing (for Trino): install it, e.g. Temurin {major}, \
         or set JAVA{major}_HOME to its folder"
    ))
}

fn java_major(release: &str) -> Option<u32> {
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    version_in(line)?.first().copied()
}

/// Where kcat comes from: the system's packages, or a kcat that is already installed.
fn kcat_source() -> Result<String, String> {
    if let Some(path) = on_path("kcat") {
        return Ok(path.display().to_string());
    }
    if on_path("apt-get").is_some() && on_path("dpkg-deb").is_some() {
        return Ok("Debian's packages, unpacked into the cache".into());
    }
    Err("kcat is missing, and without apt-get and dpkg-deb it cannot be fetched: \
         install kcat 1.7.1"
        .into())
}

/// A program on the PATH.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn dotted(version: &[u32]) -> String {
    version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// The first number with dots in a text: `v20.20.2` gives 20, 20, 2.
fn version_in(text: &str) -> Option<Vec<u32>> {
    let text = plain(text);
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let end = text[start..]
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .map_or(text.len(), |length| start + length);
    text[start..end].trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect()
}

/// The text without terminal colours: Maven resets them even when it was told not to use any.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(piece.len(), |at| at + 1);
        plain.push_str(&piece[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        let check = |text: &str, expected: Option<&[u32]>| {
            assert_eq!(version_in(text).as_deref(), expected, "{text}");
        };
        check("rustc 1.95.0 (abc 2026-01-01)", Some(&[1, 95, 0]));
        check("openjdk version \"17.0.15\" 2025-04-15", Some(&[17, 0, 15]));
        check("go version go1.26.8 linux/amd64", Some(&[1, 26, 8]));
        check("v20.20.2\n", Some(&[20, 20, 2]));
        check("\u{1b}[0m\u{1b}[1mApache Maven 3.8.7\u{1b}[m\n", Some(&[3, 8, 7]));
        check("no such program", None);
    }
}
