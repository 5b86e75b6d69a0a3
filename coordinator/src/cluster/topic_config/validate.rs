//! What a value of an option may be. An error is the remedy: what to use instead.

use std::collections::BTreeMap;

use super::ConfigKind;
use super::partition_by::parse_partition_by;

/// A time without end.
pub(super) const FOREVER: &str = "-1";

/// The rule of an option beyond its type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Validator {
    /// Any value of the type.
    Any,
    /// A number of at least this.
    AtLeast(i64),
    /// A number between these, both included.
    Between(i64, i64),
    /// A floating-point number between 0 and 1.
    Ratio,
    /// A gzip level: -1 or 1 to 9.
    GzipLevel,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A comma-separated list of different words out of these; may be empty.
    ListOf(&'static [&'static str]),
    /// `*`, or `partition:broker` pairs.
    ThrottledReplicas,
    /// Milliseconds, or a number with a unit; more than nothing.
    Duration,
    /// The same, or nothing: `0`.
    DurationOrZero,
    /// The same, or without end: `-1`.
    DurationOrForever,
    /// Partition fields.
    PartitionBy,
    /// This value only, because the other is not built; the text says why.
    Only(&'static str, &'static str),
}

impl Validator {
    pub(super) fn check(self, kind: ConfigKind, value: &str) -> Result<(), String> {
        check_kind(kind, value)?;
        match self {
            Validator::Any => Ok(()),
            Validator::AtLeast(min) => check_range(value, min, i64::MAX),
            Validator::Between(min, max) => check_range(value, min, max),
            Validator::Ratio => match value.parse::<f64>() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
                Ok(_) | Err(_) => Err("a number from 0 to 1".to_owned()),
            },
            Validator::GzipLevel => match value.parse::<i64>() {
                Ok(-1 | 1..=9) => Ok(()),
                Ok(_) | Err(_) => Err("-1 or 1 to 9".to_owned()),
            },
            Validator::OneOf(words) if words.contains(&value) => Ok(()),
            Validator::OneOf(words) => Err(format!("one of {}", words.join(", "))),
            Validator::ListOf(words) => check_list(value, words),
            Validator::ThrottledReplicas => check_throttled(value),
            Validator::Duration => match parse_duration_ms(value) {
                Some(ms) if ms > 0 => Ok(()),
                Some(_) | None => Err("milliseconds or a number with a unit, such as 500ms, 30s, \
                                       10min, 1h or 7d"
                    .to_owned()),
            },
            Validator::DurationOrZero => match parse_duration_ms(value) {
                Some(ms) if ms >= 0 => Ok(()),
                Some(_) | None => Err("0, or a time such as 500ms, 30s or 10min".to_owned()),
            },
            Validator::DurationOrForever => match parse_duration_ms(value) {
                Some(ms) if ms > 0 => Ok(()),
                None if value == FOREVER => Ok(()),
                Some(_) | None => Err("-1 for ever, or a time such as 12h, 30d or 365d".to_owned()),
            },
            Validator::PartitionBy => parse_partition_by(value).map(drop),
            Validator::Only(word, _) if word.eq_ignore_ascii_case(value) => Ok(()),
            Validator::Only(word, why) => Err(format!("{word}: {why}")),
        }
    }
}

fn check_kind(kind: ConfigKind, value: &str) -> Result<(), String> {
    let number = |bits: u32| -> Result<(), String> {
        let (min, max) = (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
        match value.parse::<i128>() {
            Ok(number) if (min..=max).contains(&number) => Ok(()),
            Ok(_) | Err(_) => Err(format!("a whole number of {bits} bits")),
        }
    };
    match kind {
        ConfigKind::Boolean => {
            if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
                Ok(())
            } else {
                Err("true or false".to_owned())
            }
        }
        ConfigKind::Short => number(16),
        ConfigKind::Int => number(32),
        ConfigKind::Long => number(64),
        ConfigKind::Double => match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            Ok(_) | Err(_) => Err("a number".to_owned()),
        },
        ConfigKind::String | ConfigKind::List => Ok(()),
    }
}

fn check_range(value: &str, min: i64, max: i64) -> Result<(), String> {
    match value.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        Ok(_) | Err(_) if max == i64::MAX => Err(format!("at least {min}")),
        Ok(_) | Err(_) => Err(format!("{min} to {max}")),
    }
}

/// The words of a list option.
pub(super) fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn check_list(value: &str, allowed: &[&str]) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for word in words(value) {
        if !allowed.contains(&word) || seen.contains(&word) {
            return Err(format!("a list of {}, each at most once", allowed.join(", ")));
        }
        seen.push(word);
    }
    Ok(())
}

fn check_throttled(value: &str) -> Result<(), String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_pair = |word: &str| {
        word.split_once(':')
            .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    if value == "*" || words(value).all(is_pair) {
        Ok(())
    } else {
        Err("*, or a list of partition:broker".to_owned())
    }
}

/// Milliseconds of `250`, `250ms`, `30s`, `10min`, `1h` or `7d` (Fluss's notation).
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit.trim() {
        "" | "ms" => 1,
        "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// Options that contradict each other.
pub(super) fn check_together(configs: &BTreeMap<String, String>) -> Result<(), String> {
    let number = |name: &str| configs.get(name).and_then(|v| v.parse::<i64>().ok());
    if let (Some(min), Some(max)) =
        (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"))
        && min > max
    {
        return Err(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms \
             ({max}): lower the first or raise the second"
        ));
    }
    let is_compact =
        configs.get("cleanup.policy").is_some_and(|policy| words(policy).any(|w| w == "compact"));
    let wants_lake =
        configs.get("table.datalake.enabled").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if is_compact && wants_lake {
        return Err(
            "table.datalake.enabled=true is not possible with cleanup.policy=compact yet: \
                    leave table.datalake.enabled out or use cleanup.policy=delete"
                .to_owned(),
        );
    }
    Ok(())
}
