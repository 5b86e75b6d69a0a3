//! A disk that is really full: a small file system in memory, where this machine lets a test mount one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a machine that cannot mount is told so")]

mod support;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use strom_storage::{AppendError, StoreOptions};
use support::*;

/// A mounted file system, until it is dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// `None`, and a message, if this machine does not allow it; tests on the simulated disk say the same there.
    fn of(size: &str) -> Option<Mounted> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Mounted(dir)),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                eprintln!("not run: this machine lets no test mount a file system: {reason}");
                None
            }
            Err(reason) => {
                eprintln!("not run: there is no mount on this machine: {reason}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

#[test]
fn a_really_full_disk_refuses_produce_serves_reads_and_heals() {
    let Some(disk) = Mounted::of("48m") else { return };
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 24 << 20]).unwrap();
    let data = disk.path().join("data");
    let options = StoreOptions {
        journal_file_bytes: 2 << 20,
        journal_retention_bytes: 16 << 20,
        segment_bytes: 4 << 20,
        ..StoreOptions::default()
    };
    let (store, _) = open(&data, options.clone(), vec![spec(1, 2)]);
    let partition = store.partition(topic(1), 0).unwrap();
    // Not compressible, so that segments take what was produced.
    let mut value = vec![0u8; 100_000];
    let mut seed = 1u64;
    value.iter_mut().for_each(|byte| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (seed >> 33) as u8;
    });
    let message = loop {
        match append(&partition, batch(&[&value])) {
            Ok(appended) => appended.ticket.wait_durable().unwrap(),
            Err(AppendError::Full { message }) => break message,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(message.contains("disk"), "{message}");
    let end = partition.offsets().log_end;
    assert!(end > 100, "{end} batches are far less than what there is room for");
    assert_eq!(contents(&partition, 0).len() as i64, end, "reads go on");
    assert!(store.stats().flush_failure_count > 0, "segments were refused too");

    // It is killed and started on the full disk.
    drop((store, partition));
    let (store, report) = open(&data, options.clone(), vec![spec(1, 2)]);
    assert_eq!(report.corruptions, Vec::new());
    let partition = store.partition(topic(1), 0).unwrap();
    assert_eq!(contents(&partition, 0).len() as i64, end);

    std::fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    for number in 0..20 {
        let appended = loop {
            match append(&partition, batch(&[&value])) {
                Ok(appended) => break appended,
                Err(AppendError::Full { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(appended.base_offset, end + number);
        appended.ticket.wait_durable().unwrap();
    }
    assert_eq!(contents(&partition, 0).len() as i64, end + 20);
    store.flush_now().unwrap();
    assert_eq!(
        store.verify(topic(1), |_| ControlFlow::Continue(())).unwrap().mismatches,
        Vec::new()
    );
}
