//! An S3 server as a process of its own, and a door before it that can be slow, stuck or shut.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use crate::installed::installed;
use crate::ports;

/// The bucket that is there from the start.
pub const BUCKET: &str = "lake";

/// What the server needs beside its own.
const OTHER_PORTS: usize = 7;

/// A server with one bucket, and users `broker` and `reader`. Dropping it ends it and removes what
/// it has.
pub struct S3Server {
    child: Option<(Child, BufReader<ChildStdout>)>,
    port: u16,
    folder: TempDir,
}

impl S3Server {
    pub fn start() -> S3Server {
        let folder = tempfile::Builder::new().prefix("strom-s3-").tempdir().unwrap();
        let mut server = S3Server { child: None, port: ports::free(), folder };
        server.start_again();
        server
    }

    /// Starts it on what it had, at the same port, after [`stop`](Self::stop).
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("engines/s3_server.py");
        let mut child = Command::new(installed("engines").join("bin/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .arg(program)
            .arg(installed("s3").join("bin/weed"))
            .arg(self.folder.path())
            .arg(BUCKET)
            .arg(self.port.to_string())
            .args((0..OTHER_PORTS).map(|_| ports::free().to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the S3 server did not start; its message is above");
        self.child = Some((child, answers));
    }

    /// Kills the server; what it has stays.
    pub fn stop(&mut self) {
        let (mut child, _) = self.child.take().expect("the server runs");
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    /// The keys of the bucket's objects below a prefix.
    pub fn objects(&mut self, prefix: &str) -> Vec<String> {
        let (child, answers) = self.child.as_mut().expect("the server runs");
        writeln!(child.stdin.as_mut().unwrap(), "{prefix}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        ports::address(self.port)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.stop();
        }
    }
}

/// How a door treats what goes through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Lets everything pass.
    Open,
    /// Keeps every piece for so long.
    Slow(Duration),
    /// Takes connections and lets nothing pass.
    Stuck,
    /// Closes every connection.
    Shut,
}

/// A TCP proxy on a port of its own, in this process.
pub struct Door {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
}

impl Door {
    /// An open door to `server`.
    pub fn to(server: SocketAddr) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(Manner::Open));
        let shared = Arc::clone(&manner);
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let manner = Arc::clone(&shared);
                    std::thread::spawn(move || pass(from, to, &manner));
                }
            }
        });
        Door { address, manner }
    }

    /// From now on, for open connections too.
    pub fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, manner: &Mutex<Manner>) {
    let moment = Duration::from_millis(20);
    from.set_read_timeout(Some(moment)).unwrap();
    let mut piece = [0; 64 * 1024];
    loop {
        let now = *manner.lock().unwrap();
        match now {
            Manner::Shut => break,
            Manner::Stuck => {
                std::thread::sleep(moment);
                continue;
            }
            Manner::Open | Manner::Slow(_) => {}
        }
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => {
                if let Manner::Slow(delay) = now {
                    std::thread::sleep(delay);
                }
                if to.write_all(&piece[..bytes]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
            Err(_) => break,
        }
    }
    // Both directions end together, whichever saw it first.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
