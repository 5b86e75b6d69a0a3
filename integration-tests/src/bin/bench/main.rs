//! `cargo xtask bench`: Strom and Apache Kafka side by side, driven over their addresses by
//! librdkafka, measured over their process ids.
//!
//! Both run at once but only one is under load at a time, in alternation, so that drift of the
//! machine hits both alike. Printed are medians and ranges, CPU of broker and client, and ratios;
//! no figure decides anything here. `flush.policy=os` gives Strom Kafka's page-cache promise.
#![allow(clippy::print_stdout, reason = "a command for people")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark ends at the first fault")]

mod load;
mod peer;
mod report;

use std::time::Duration;

use load::Case;
use peer::Peer;
use report::Row;

/// Kafka's JIT needs a few gigabytes before its figures settle; both sides get the same.
const WARM_BYTES: u64 = 1_500_000_000;

/// Runs per case: `--short` takes about five minutes.
struct Plan {
    runs: usize,
    bytes: u64,
    warm_bytes: u64,
}

impl Plan {
    fn from_arguments() -> Result<Plan, String> {
        let full = Plan { runs: 5, bytes: 1_000_000_000, warm_bytes: 2 * WARM_BYTES };
        let short = Plan { runs: 3, bytes: 400_000_000, warm_bytes: WARM_BYTES };
        match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
            [] => Ok(full),
            [flag] if flag == "--short" => Ok(short),
            other => Err(format!("unknown arguments {other:?}; use none or --short")),
        }
    }
}

fn main() {
    let plan = match Plan::from_arguments() {
        Ok(plan) => plan,
        Err(message) => {
            println!("{message}");
            std::process::exit(2);
        }
    };
    report::print_machine(plan.runs, plan.bytes);
    start_up(plan.runs);
    let peers = [Peer::strom(), Peer::kafka()];
    for peer in &peers {
        peer.warm(plan.warm_bytes);
    }
    report::print_header();
    for case in Case::ALL {
        let mut produce = [Vec::new(), Vec::new()];
        let mut consume = [Vec::new(), Vec::new()];
        for run in 0..plan.runs {
            for turn in 0..peers.len() {
                // The order changes from run to run.
                let side = (turn + run) % peers.len();
                let (produced, consumed) = peers[side].run(case, plan.bytes);
                produce[side].push(produced);
                consume[side].push(consumed);
            }
        }
        report::print_rows(&format!("produce {}", case.name()), &Row::of(&produce));
        report::print_rows(&format!("consume {}", case.name()), &Row::of(&consume));
    }
    std::thread::sleep(Duration::from_secs(2));
    println!();
    for peer in &peers {
        println!("{:<6} resident after load: {:>6.0} MB", peer.name(), peer.resident_mb());
    }
}

/// Process start to first answer, and what is resident two seconds later.
fn start_up(runs: usize) {
    println!(
        "\n{:<34} {:>12} {:>14} {:>14}",
        "start to first Metadata", "ms", "CPU-s", "resident MB"
    );
    for start in [Peer::strom as fn() -> Peer, Peer::kafka] {
        let mut ready = Vec::new();
        let mut cpu = Vec::new();
        let mut resident = Vec::new();
        let mut name = "";
        for _ in 0..runs {
            let peer = start();
            name = peer.name();
            ready.push(peer.ready.as_secs_f64() * 1000.0);
            std::thread::sleep(Duration::from_secs(2));
            cpu.push(peer.cpu_seconds());
            resident.push(peer.resident_mb());
        }
        println!(
            "{name:<34} {:>12.0} {:>14.2} {:>14.0}",
            report::median(&ready),
            report::median(&cpu),
            report::median(&resident)
        );
    }
}
