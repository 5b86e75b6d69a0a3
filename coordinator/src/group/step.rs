//! The hands of a machine during one command: the time, the settings, the timers, and what comes
//! out. Soft state changes in place; durable state changes only when the records are applied.

use strom_protocol::{ByteString, ErrorCode};

use super::timers::{TimerKey, Timers};
use super::{GroupConfig, GroupRecord, JoinReply, Outcome, Reply, SyncReply, Token};

/// One command's context.
pub(super) struct Step<'a> {
    pub(super) now_ms: i64,
    pub(super) config: &'a GroupConfig,
    pub(super) timers: &'a mut Timers,
    pub(super) outcome: Outcome,
}

impl<'a> Step<'a> {
    pub(super) fn new(now_ms: i64, config: &'a GroupConfig, timers: &'a mut Timers) -> Self {
        Step { now_ms, config, timers, outcome: Outcome::default() }
    }

    pub(super) fn record(&mut self, record: GroupRecord) {
        self.outcome.records.push(record);
    }

    pub(super) fn reply(&mut self, token: Token, reply: Reply) {
        self.outcome.replies.push((token, reply));
    }

    pub(super) fn refuse_join(&mut self, token: Token, member_id: ByteString, error: ErrorCode) {
        self.reply(token, Reply::Join(JoinReply::refused(member_id, error)));
    }

    pub(super) fn refuse_sync(&mut self, token: Token, error: ErrorCode) {
        self.reply(token, Reply::Sync(SyncReply::refused(error)));
    }

    /// Sets the deadline of `key` to `delay_ms` from now.
    pub(super) fn schedule(&mut self, key: TimerKey, delay_ms: i32) {
        self.timers.schedule(key, self.now_ms.saturating_add(i64::from(delay_ms.max(0))));
    }
}
