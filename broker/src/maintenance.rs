//! The broker's one schedule of upkeep: retention, and checkpoints of group state when the
//! journal is nearly full.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info};

use crate::broker::Broker;

/// How much of the journal may be in no segment before group state is re-appended, so that old files can go:
/// flushing keeps it at half, unless segments cannot be written.
const PRESSURE_PERCENT: u64 = 75;
/// Upkeep looks at the journal's fill at least this often, whatever retention's interval.
const PRESSURE_CHECK: Duration = Duration::from_secs(10);

/// A full journal that retention cannot help is looked at again after this.
const FULL_REST: Duration = Duration::from_secs(1);

/// Runs upkeep until it is cancelled.
pub async fn run(broker: Arc<Broker>) {
    let interval = broker.config.retention_check_interval;
    let mut retention_due = tokio::time::Instant::now() + interval;
    loop {
        let is_full = tokio::select! {
            () = tokio::time::sleep(PRESSURE_CHECK.min(interval)) => false,
            () = broker.store.pressure() => true,
        };
        let pressed = is_full || is_pressed(&broker);
        if pressed {
            broker.groups.checkpoint_all();
        }
        if pressed || tokio::time::Instant::now() >= retention_due {
            retention_due = tokio::time::Instant::now() + interval;
            run_retention(&broker).await;
        }
        if is_full {
            tokio::time::sleep(FULL_REST).await;
        }
    }
}

fn is_pressed(broker: &Broker) -> bool {
    let budget = broker.config.journal_retention_bytes;
    broker.store.stats().unflushed_bytes.saturating_mul(100)
        > budget.saturating_mul(PRESSURE_PERCENT)
}

async fn run_retention(broker: &Arc<Broker>) {
    let store = Arc::clone(&broker.store);
    let now_ms = broker.clock.now_ms();
    let ran = tokio::task::spawn_blocking(move || store.run_retention(now_ms)).await;
    let report = match ran {
        Ok(report) => report,
        Err(reason) => {
            error!(%reason, "retention failed; it runs again at its next time");
            return;
        }
    };
    if report.files_freed > 0 {
        info!(
            files = report.files_freed,
            bytes = report.bytes_freed,
            "journal files freed by retention"
        );
    } else {
        debug!(partitions = report.partitions_advanced, "retention ran");
    }
}
