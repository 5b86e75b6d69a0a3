//! Where `cargo xtask test` put things.

use std::path::PathBuf;

/// The folder of an installed client or engine; the message of the panic says what to run.
pub fn installed(name: &str) -> PathBuf {
    let variable = format!("STROM_CLIENT_{}", name.to_uppercase().replace('-', "_"));
    match std::env::var_os(&variable) {
        Some(folder) => PathBuf::from(folder),
        None => panic!(
            "{variable} is not set, so {name} cannot be found: run `cargo xtask test`, \
             or first `eval \"$(cargo xtask env)\"`"
        ),
    }
}

/// The broker's binary: `STROM_BIN`, or `strom` next to the folder of this test binary.
pub fn broker_binary() -> PathBuf {
    let path = match std::env::var_os("STROM_BIN") {
        Some(path) => PathBuf::from(path),
        None => target_profile().join("strom"),
    };
    assert!(
        path.is_file(),
        "there is no broker at {}: run `cargo xtask test`, which builds it, or set STROM_BIN",
        path.display()
    );
    path
}

/// A driver that is a program of this crate: cargo builds it with the suite.
pub fn driver_binary(name: &str) -> PathBuf {
    let path = target_profile().join(name);
    assert!(path.is_file(), "cargo has not built {}", path.display());
    path
}

/// A folder for logs that outlive the run, under cargo's target folder.
pub fn log_folder() -> PathBuf {
    let folder = target_profile().join("suite-logs");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// `target/debug` of the running test binary (`target/debug/deps/suite-…`).
fn target_profile() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.parent().and_then(std::path::Path::parent).unwrap().to_path_buf()
}
