//! Printing: medians, ranges, ratios.

use crate::peer::Sample;

/// A figure over several runs.
#[derive(Clone, Copy)]
pub struct Figure {
    median: f64,
    low: f64,
    high: f64,
}

/// One broker's line.
pub struct Row {
    speed: Figure,
    broker: Figure,
    client: Figure,
}

impl Row {
    /// Strom's and Kafka's samples, in that order.
    pub fn of(samples: &[Vec<Sample>; 2]) -> [Row; 2] {
        samples.each_ref().map(|samples| Row {
            speed: spread(samples.iter().map(|sample| sample.mb_per_second)),
            broker: spread(samples.iter().map(|sample| sample.broker_cpu_per_gb)),
            client: spread(samples.iter().map(|sample| sample.client_cpu_per_gb)),
        })
    }
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Median and range.
pub fn spread(values: impl Iterator<Item = f64>) -> Figure {
    let values: Vec<f64> = values.collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Figure { median: median(&values), low, high }
}

impl Figure {
    /// As `median (low-high)`.
    pub fn text(self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}-{:.digits$})", self.median, self.low, self.high)
    }
}

/// Where and how it was measured.
pub fn print_machine(runs: usize, bytes: u64) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{cores} cores, client on the same machine; {runs} runs of {} MB per case, alternating; \
         6 partitions, acks=all, linger 5 ms, 64 KiB batches, no fsync (flush.policy=os), lake off, \
         unless a line says otherwise",
        bytes / 1_000_000
    );
}

/// The head of a table of throughput.
pub fn print_header() {
    println!(
        "\n{:<40} {:<6} {:>18} {:>22} {:>22}  bottleneck",
        "case", "", "MB/s", "broker CPU-s/GB", "client CPU-s/GB"
    );
}

/// Two lines and their ratio.
pub fn print_rows(case: &str, rows: &[Row; 2]) {
    for (name, row) in ["strom", "kafka"].iter().zip(rows) {
        println!(
            "{case:<40} {name:<6} {:>18} {:>22} {:>22}  {}",
            row.speed.text(0),
            row.broker.text(2),
            row.client.text(2),
            row.bottleneck()
        );
    }
    let [strom, kafka] = rows;
    println!(
        "{:<40} ratio  {:>18.2} {:>22.2}",
        "",
        strom.speed.median / kafka.speed.median,
        strom.broker.median / kafka.broker.median
    );
}

impl Row {
    /// Which side used more of the processor, and whether there was any left.
    fn bottleneck(&self) -> &'static str {
        let gb_per_second = self.speed.median / 1000.0;
        let (broker, client) =
            (self.broker.median * gb_per_second, self.client.median * gb_per_second);
        match (broker + client > 1.6, client > broker) {
            (true, true) => "processor, mostly the client",
            (true, false) => "processor, mostly the broker",
            (false, true) if client > 0.85 => "one client thread",
            (false, _) => "waiting",
        }
    }
}
