//! `cargo xtask bench`: Strom and Apache Kafka side by side, driven over their addresses by
//! librdkafka and Apache's perf tools, measured over their process ids.
//!
//! Both run at once but only one is under load at a time, in alternation, so that drift of the
//! machine hits both alike. Printed are medians and ranges, CPU of broker and client, and ratios;
//! no figure decides anything here. `flush.policy=os` gives Strom Kafka's page-cache promise.
#![allow(clippy::print_stdout, reason = "a command for people")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark ends at the first fault")]

mod footprint;
mod history;
mod latency;
mod load;
mod peer;
mod report;
mod throughput;

use peer::Peer;

/// Kafka's JIT needs a few gigabytes before its figures settle; both sides get the same.
const WARM_BYTES: u64 = 1_500_000_000;
const PARTS: [&str; 7] =
    ["start", "throughput", "latency", "fsync", "partitions", "history", "restarts"];
const USAGE: &str = "use [--short] [--runs N] [--only start|throughput|latency|fsync|partitions|\
                     history|restarts]";

/// What is run: `--short` takes about five minutes.
struct Plan {
    runs: usize,
    bytes: u64,
    warm_bytes: u64,
    /// Of one run of single records.
    seconds: u64,
    is_short: bool,
    only: Option<String>,
}

impl Plan {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
        let mut plan = Plan {
            runs: 5,
            bytes: 1_000_000_000,
            warm_bytes: 2 * WARM_BYTES,
            seconds: 15,
            is_short: false,
            only: None,
        };
        let mut runs = None;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--short" => {
                    let only = plan.only.take();
                    plan = Plan {
                        runs: 3,
                        bytes: 400_000_000,
                        warm_bytes: WARM_BYTES,
                        seconds: 5,
                        is_short: true,
                        only,
                    };
                }
                "--runs" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    let number = number.filter(|number: &usize| *number > 0);
                    runs = Some(number.ok_or(format!("--runs needs a number; {USAGE}"))?);
                }
                "--only" => {
                    let part = arguments.next().unwrap_or_default();
                    if !PARTS.contains(&part.as_str()) {
                        return Err(format!("there is no part {part:?}; {USAGE}"));
                    }
                    plan.only = Some(part);
                }
                other => return Err(format!("unknown argument {other:?}; {USAGE}")),
            }
        }
        plan.runs = runs.unwrap_or(plan.runs);
        Ok(plan)
    }

    /// Whether a part is to be run; the short form leaves out what takes long or says little.
    fn has(&self, part: &str) -> bool {
        match &self.only {
            Some(only) => only == part,
            None => !self.is_short || ["start", "throughput", "latency"].contains(&part),
        }
    }
}

fn main() {
    match Plan::parse(std::env::args().skip(1)) {
        Ok(plan) => run(&plan),
        Err(message) => {
            println!("{message}");
            std::process::exit(2);
        }
    }
}

fn run(plan: &Plan) {
    report::print_machine(plan.runs, plan.bytes);
    if plan.has("start") {
        footprint::start_up(plan.runs);
    }
    if ["throughput", "latency", "partitions"].iter().any(|part| plan.has(part)) {
        like_for_like(plan);
    }
    if plan.has("fsync") {
        let synced = [("flush.policy", "sync"), ("table.datalake.enabled", "false")];
        let peers = [Peer::strom(&synced), Peer::kafka(&[("log.flush.interval.messages", "1")])];
        peers.iter().for_each(|peer| peer.warm(plan.warm_bytes / 10));
        let title = "\n5 000 records/s of 1 KiB, linger 0, fsync before every acknowledgement";
        latency::compare(title, "0", &peers, (plan.runs, plan.seconds));
        throughput::compare_synced(&peers, plan.runs, plan.bytes / 4);
    }
    if plan.has("history") {
        history::compare(plan.runs, plan.bytes);
    }
    if plan.has("restarts") {
        history::restarts(plan.bytes);
    }
}

/// The cases in which both make the same promise, on one pair of warm brokers.
fn like_for_like(plan: &Plan) {
    let peers = Peer::both();
    peers.iter().for_each(|peer| peer.warm(plan.warm_bytes));
    if plan.has("throughput") {
        throughput::compare(&peers, plan.runs, plan.bytes);
    }
    if plan.has("latency") {
        for linger in ["0", "5"] {
            let title = format!("\n5 000 records/s of 1 KiB, linger {linger}");
            latency::compare(&title, linger, &peers, (plan.runs, plan.seconds));
        }
    }
    if plan.has("partitions") {
        throughput::compare_many_partitions(&peers, plan.runs, plan.bytes / 4);
    }
    footprint::at_rest(&peers);
}
