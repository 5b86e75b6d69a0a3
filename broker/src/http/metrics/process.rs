//! What the process itself is and uses, read from `/proc`; absent where there is none.

use super::Exposition;

/// Writes the build's version and the process's memory and descriptors.
pub(super) fn collect(out: &mut Exposition) {
    out.gauges("strom_build_info", "The version that is running; the value is always 1")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    if let Some(bytes) = resident_bytes() {
        let help = "Memory of the process that is in RAM";
        out.gauge("strom_process_resident_bytes", help, bytes);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        let help = "File descriptors that are open";
        out.gauge("strom_process_open_descriptors", help, entries.count() as f64);
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
