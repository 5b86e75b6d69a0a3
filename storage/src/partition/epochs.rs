//! Where each leader epoch begins in a partition's log, so that a client that has seen the log under an
//! older epoch can be told how far that epoch still holds (KIP-101, KIP-320).
//!
//! ```text
//!  epoch      3          │ 5              │ 6 (now)
//!  offset     0 ... 119  │ 120 ... 170    │ 171 ...        end of 3 and of 4: 120, of 5: 171, of 6: the log end
//! ```
//! One entry per epoch that wrote something, and one for the epoch that is served now.

use super::Partition;

/// (epoch, its first offset), both ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    starts: Vec<(i32, i64)>,
}

impl Epochs {
    /// `epoch` writes from `start` on. Epochs that would begin there or behind wrote nothing and are
    /// forgotten; one that is known already, or older than one that is, changes nothing.
    pub(crate) fn note(&mut self, epoch: i32, start: i64) {
        if self.starts.last().is_some_and(|(last, _)| *last >= epoch) {
            return;
        }
        while self.starts.last().is_some_and(|(_, last)| *last >= start) {
            self.starts.pop();
        }
        self.starts.push((epoch, start));
    }

    /// Forgets epochs that ended at or below the log start; the one in which it lies begins there.
    pub(crate) fn drop_below(&mut self, log_start: i64) {
        let below = self.starts.partition_point(|(_, start)| *start <= log_start);
        if let Some(last) = below.checked_sub(1) {
            self.starts[last].1 = log_start;
            self.starts.drain(..last);
        }
    }

    /// The greatest known epoch that is not above `epoch`, and the offset behind its last one. An epoch
    /// from before the first known one ends where that begins. `None` for one that is not known yet.
    pub(crate) fn end_of(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        let (latest, _) = *self.starts.last()?;
        if epoch < 0 || epoch > latest {
            return None;
        }
        if epoch == latest {
            return Some((epoch, log_end));
        }
        let above = self.starts.partition_point(|(known, _)| *known <= epoch);
        let floor = above.checked_sub(1).map_or(epoch, |index| self.starts[index].0);
        Some((floor, self.starts[above].1))
    }

    /// The epoch in which an offset was, or will be, written; `None` below the first one known.
    pub(crate) fn of(&self, offset: i64) -> Option<i32> {
        let behind = self.starts.partition_point(|(_, start)| *start <= offset);
        behind.checked_sub(1).map(|index| self.starts[index].0)
    }
}

impl Partition {
    /// The greatest epoch with records that is not above `epoch`, and its end offset: what a client whose
    /// last record has `epoch` must not be ahead of. The epoch that is served now ends at the log end.
    /// `None` for an epoch that this log has not come to.
    pub fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let state = self.state();
        state.epochs.end_of(epoch, state.log_end)
    }

    /// The leader epoch in which an offset was, or will be, written.
    pub fn epoch_of(&self, offset: i64) -> i32 {
        self.state().epochs.of(offset).unwrap_or(self.context.leader_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(starts: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        starts.iter().for_each(|(epoch, start)| epochs.note(*epoch, *start));
        epochs
    }

    /// Rows as Kafka's LeaderEpochFileCache answers them.
    #[test]
    fn an_epoch_ends_where_the_next_known_one_begins() {
        let three = epochs(&[(3, 0), (5, 120), (6, 171)]);
        for (epoch, expected) in [
            (-1, None),
            (0, Some((0, 0))),
            (2, Some((2, 0))),
            (3, Some((3, 120))),
            (4, Some((3, 120))),
            (5, Some((5, 171))),
            (6, Some((6, 200))),
            (7, None),
            (i32::MAX, None),
        ] {
            assert_eq!(three.end_of(epoch, 200), expected, "epoch {epoch}");
        }
        assert_eq!(epochs(&[]).end_of(0, 0), None);
        assert_eq!(epochs(&[(0, 0)]).end_of(0, 7), Some((0, 7)));
    }

    #[test]
    fn epochs_that_wrote_nothing_are_forgotten() {
        assert_eq!(epochs(&[(1, 0), (2, 10), (4, 10)]), epochs(&[(1, 0), (4, 10)]));
        assert_eq!(epochs(&[(1, 0), (2, 0), (3, 0)]), epochs(&[(3, 0)]));
        assert_eq!(epochs(&[(3, 5), (3, 9), (2, 12)]), epochs(&[(3, 5)]));
    }

    #[test]
    fn the_log_start_takes_epochs_with_it() {
        let known = [(3, 0), (5, 120), (6, 171)];
        for (log_start, expected) in [
            (0, &[(3, 0), (5, 120), (6, 171)][..]),
            (7, &[(3, 7), (5, 120), (6, 171)]),
            (120, &[(5, 120), (6, 171)]),
            (170, &[(5, 170), (6, 171)]),
            (171, &[(6, 171)]),
            (900, &[(6, 900)]),
        ] {
            let mut left = epochs(&known);
            left.drop_below(log_start);
            assert_eq!(left, epochs(expected), "log start {log_start}");
            assert_eq!(left.of(log_start), Some(expected[0].0));
            assert_eq!(left.of(log_start - 1), None);
        }
        let mut later = epochs(&[(4, 50)]);
        later.drop_below(10);
        assert_eq!(later, epochs(&[(4, 50)]));
    }
}
