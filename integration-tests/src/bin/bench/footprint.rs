//! Start, memory at rest, and what a connection costs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::peer::{LIKE_KAFKA, Peer};
use crate::report;

/// Within the usual limit of 1 024 open files.
const CONNECTIONS: usize = 800;
/// Memory is looked at when the process has come to rest.
const REST: Duration = Duration::from_secs(2);

/// Process start to first answer, what is resident two seconds later, and what each of many idle connections
/// adds to that.
pub fn start_up(runs: usize) {
    println!(
        "\n{:<40} {:>12} {:>14} {:>14} {:>22}",
        "start to first Metadata", "ms", "CPU-s", "resident MB", "KB a connection"
    );
    let starts: [fn() -> Peer; 2] = [|| Peer::strom(LIKE_KAFKA), || Peer::kafka(&[])];
    for start in starts {
        let mut figures = [const { Vec::new() }; 4];
        let mut name = "";
        for _ in 0..runs {
            let peer = start();
            name = peer.name();
            std::thread::sleep(REST);
            let (cpu, resident) = (peer.cpu_seconds(), peer.resident_mb());
            let found = [peer.ready.as_secs_f64() * 1000.0, cpu, resident, kb_a_connection(&peer)];
            figures.iter_mut().zip(found).for_each(|(figure, value)| figure.push(value));
        }
        let [ready, cpu, resident, each] = figures.each_ref().map(|figure| report::median(figure));
        println!("{name:<40} {ready:>12.0} {cpu:>14.2} {resident:>14.0} {each:>22.1}");
    }
}

/// What is resident now.
pub fn at_rest(peers: &[Peer; 2]) {
    std::thread::sleep(REST);
    println!("\n{:<40} {:>14}", "after the load", "resident MB");
    for peer in peers {
        println!("{:<40} {:>14.0}", peer.name(), peer.resident_mb());
    }
}

/// On a broker that has served nothing else: memory that a load has left free would hide it.
fn kb_a_connection(peer: &Peer) -> f64 {
    let before = peer.resident_mb();
    let connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| greeted(peer.bootstrap())).collect();
    std::thread::sleep(REST);
    let each = (peer.resident_mb() - before) * 1024.0 / CONNECTIONS as f64;
    drop(connections);
    each
}

/// A connection over which ApiVersions has been asked and answered.
fn greeted(bootstrap: &str) -> TcpStream {
    let mut stream = TcpStream::connect(bootstrap).unwrap();
    // Size, API key 18, version 0, correlation id 1, no client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    stream
}
