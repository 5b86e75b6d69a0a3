//! A child process that cannot outlive the test process, whatever happens to it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::wait_for;

/// A process whose output goes to a file, watched by a shell that ends it when this test process
/// is gone: statics are never dropped, and a killed test run drops nothing at all.
pub struct Guarded {
    child: Child,
    watchdog: Child,
    log: PathBuf,
}

impl Guarded {
    /// Starts the command with both streams appended to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Guarded {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // `read` returns when the write end of the pipe closes, which is when this process ends.
        let watchdog = Command::new("sh")
            .args(["-c", "read _; kill -9 \"$0\" 2>/dev/null", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is on every machine that runs these tests");
        Guarded { child, watchdog, log: log.to_path_buf() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let what = format!("process {} to end after SIGTERM\n{}", self.pid(), self.log_tail());
        wait_for(&what, deadline, || self.ended())
    }

    /// The last part of what it printed.
    pub fn log_tail(&self) -> String {
        tail_of(&self.log)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The watchdog first: it must not kill a process id that was given to somebody else.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last 8 KiB of a log file, with its path.
pub fn tail_of(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(8192)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    format!("--- end of {}\n{}", log.display(), read().unwrap_or_default())
}
