//! A bucket that does not answer: found out once, said once, not asked again for a while.
//!
//! Hundreds of tables may live in one bucket. When a call finds that the bucket as a whole cannot
//! be used (nobody answers, it is too slow, the keys or the bucket are wrong), calls fail at once
//! with the same reason until a wait is over; then the next ones try again, and the wait doubles.
//! The log gets a line at the first failure and at every doubling of their number.

use std::time::{Duration, Instant};

const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(15);

/// What is known about a bucket.
#[derive(Debug, Default)]
pub(super) struct Outage {
    ongoing: Option<Ongoing>,
}

#[derive(Debug)]
struct Ongoing {
    since: Instant,
    until: Instant,
    wait: Duration,
    failures: u32,
    reason: String,
}

/// What the caller should log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing that was not said already.
    Known,
    /// It is (still) not usable, and tried again after this.
    Failing { retry_in: Duration },
    /// It works again, after so long.
    Healed { after: Duration },
}

impl Outage {
    /// Why a call made now would be in vain.
    pub(super) fn reason(&self, now: Instant) -> Option<String> {
        self.ongoing.as_ref().filter(|o| now < o.until).map(|ongoing| ongoing.reason.clone())
    }

    /// A call found the bucket unusable.
    pub(super) fn failed(&mut self, reason: &str, now: Instant) -> Event {
        let (since, wait, failures) = match &self.ongoing {
            None => (now, WAIT_MIN, 1),
            // Calls that were under way when it was found out tell nothing new.
            Some(ongoing) if now < ongoing.until => return Event::Known,
            Some(ongoing) => {
                (ongoing.since, (ongoing.wait * 2).min(WAIT_MAX), ongoing.failures + 1)
            }
        };
        let until = now + wait;
        self.ongoing = Some(Ongoing { since, until, wait, failures, reason: reason.to_string() });
        if failures.is_power_of_two() { Event::Failing { retry_in: wait } } else { Event::Known }
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, now: Instant) -> Event {
        match self.ongoing.take() {
            None => Event::Known,
            Some(ongoing) => Event::Healed { after: now.duration_since(ongoing.since) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_asked_about_rarely_and_said_ever_more_rarely() {
        let mut outage = Outage::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(outage.reason(start), None);
        assert_eq!(outage.failed("refused", start), Event::Failing { retry_in: WAIT_MIN });
        assert_eq!(outage.failed("refused", start), Event::Known, "it was under way");
        assert_eq!(outage.reason(start).as_deref(), Some("refused"));
        assert_eq!(outage.reason(at(1)), None, "the next call tries again");

        let mut said = 1;
        let mut now = at(1);
        let mut waits = Vec::new();
        for _ in 0..15 {
            said += u32::from(matches!(outage.failed("refused", now), Event::Failing { .. }));
            let began = now;
            while outage.reason(now).is_some() {
                now += Duration::from_secs(1);
            }
            waits.push(now.duration_since(began).as_secs());
        }
        assert_eq!(waits[..5], [2, 4, 8, 15, 15]);
        assert_eq!(said, 5, "the first, second, fourth, eighth and sixteenth failure");
        let Event::Healed { after } = outage.answered(now) else { panic!("it was failing") };
        assert_eq!(after, now.duration_since(start));
        assert_eq!((outage.answered(now), outage.reason(now)), (Event::Known, None));
        assert_eq!(outage.failed("slow", now), Event::Failing { retry_in: WAIT_MIN });
    }
}
