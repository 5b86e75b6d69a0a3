//! Types of option values: text in, canonical text out, or a sentence that says what is wrong.
//!
//! Canonical text is what DescribeConfigs shows: plain numbers of bytes and milliseconds, `true`
//! and `false` in lower case. People may write `10GiB` and `5min`.

/// The type of an option, with its bounds (inclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
    },
    /// A number of bytes; the suffixes KB, MB, GB, KiB, MiB and GiB are understood.
    Bytes {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
    },
    /// A time in milliseconds; the suffixes ms, s, min, h and d are understood.
    Milliseconds {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A comma-separated list.
    List,
    /// `host:port`.
    Address,
    /// A file or directory.
    Path,
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
}

impl Kind {
    /// The canonical form of `raw`, or what is wrong with it; what would be right says [`Kind::remedy`].
    pub fn canonical(self, raw: &str) -> Result<String, String> {
        let raw = raw.trim();
        match self {
            Kind::Boolean => match raw.to_ascii_lowercase().as_str() {
                word @ ("true" | "false") => Ok(word.to_owned()),
                _ => Err("is no boolean".to_owned()),
            },
            Kind::Integer { min, max } => {
                let number = raw.parse().map_err(|_| "is not a whole number".to_owned())?;
                bounded(number, min, max, "")
            }
            Kind::Bytes { min, max } => {
                let number = with_unit(raw, &BYTE_UNITS).ok_or("is not a number of bytes")?;
                bounded(number, min, max, " bytes")
            }
            Kind::Milliseconds { min, max } => {
                let number = with_unit(raw, &TIME_UNITS).ok_or("is not a time in milliseconds")?;
                bounded(number, min, max, " ms")
            }
            Kind::Choice(words) => {
                let lower = raw.to_ascii_lowercase();
                if words.contains(&lower.as_str()) {
                    Ok(lower)
                } else {
                    Err("is none of its values".to_owned())
                }
            }
            Kind::List => Ok(list(raw).collect::<Vec<_>>().join(",")),
            Kind::Address | Kind::Path | Kind::Text | Kind::Secret => Ok(raw.to_owned()),
        }
    }

    /// What to write instead of a wrong value.
    pub fn remedy(self) -> String {
        match self {
            Kind::Boolean => "write true or false".to_owned(),
            Kind::Integer { min, max } => format!("write a number from {min} to {max}"),
            Kind::Bytes { .. } => "write a size, as 1048576, 512MiB or 10GiB".to_owned(),
            Kind::Milliseconds { .. } => "write a time, as 3000, 3s, 10min or 7d".to_owned(),
            Kind::Choice(words) => format!("write one of: {}", words.join(", ")),
            Kind::List => "write a list with commas".to_owned(),
            Kind::Address => "write host:port".to_owned(),
            Kind::Path => "write a path".to_owned(),
            Kind::Text | Kind::Secret => "write some text".to_owned(),
        }
    }

    /// The type code of DescribeConfigs (KIP-569): 1 boolean, 2 string, 3 int, 5 long, 7 list,
    /// 9 password.
    pub fn kafka_type(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::Integer { max, .. }
            | Kind::Bytes { max, .. }
            | Kind::Milliseconds { max, .. } => {
                if max > i64::from(i32::MAX) {
                    5
                } else {
                    3
                }
            }
            Kind::Choice(_) | Kind::Address | Kind::Path | Kind::Text => 2,
            Kind::List => 7,
            Kind::Secret => 9,
        }
    }

    /// The type in words, for the documentation.
    pub fn words(self) -> String {
        match self {
            Kind::Boolean => "boolean".to_owned(),
            Kind::Integer { .. } => "integer".to_owned(),
            Kind::Bytes { .. } => "bytes".to_owned(),
            Kind::Milliseconds { .. } => "milliseconds".to_owned(),
            Kind::Choice(words) => words.join(" \\| "),
            Kind::List => "list".to_owned(),
            Kind::Address => "host:port".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Secret => "secret".to_owned(),
        }
    }
}

/// The elements of a comma-separated list, without blanks around them and without empty ones.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty())
}

const BYTE_UNITS: [(&str, i64); 8] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

const TIME_UNITS: [(&str, i64); 6] =
    [("", 1), ("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

fn bounded(number: i64, min: i64, max: i64, unit: &str) -> Result<String, String> {
    if number < min {
        Err(format!("is below the minimum of {min}{unit}"))
    } else if number > max {
        Err(format!("is above the maximum of {max}{unit}"))
    } else {
        Ok(number.to_string())
    }
}

/// `text` as a whole number with one of `units` behind it; `None` also when it overflows.
fn with_unit(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let suffix = suffix.trim().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == suffix)?;
    digits.parse::<i64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_canonical_or_explain_themselves() {
        let bytes = Kind::Bytes { min: 1, max: 1 << 40 };
        let time = Kind::Milliseconds { min: 0, max: i64::MAX };
        let rows: &[(Kind, &str, Result<&str, &str>)] = &[
            (Kind::Boolean, " TRUE ", Ok("true")),
            (Kind::Boolean, "yes", Err("no boolean")),
            (Kind::Integer { min: 0, max: 9 }, "9", Ok("9")),
            (Kind::Integer { min: 0, max: 9 }, "10", Err("above the maximum of 9")),
            (Kind::Integer { min: 0, max: 9 }, "-1", Err("below the minimum of 0")),
            (Kind::Integer { min: 0, max: 9 }, "1.5", Err("not a whole number")),
            (bytes, "10GiB", Ok("10737418240")),
            (bytes, "10 gib", Ok("10737418240")),
            (bytes, "1kb", Ok("1000")),
            (bytes, "123", Ok("123")),
            (bytes, "10 furlongs", Err("not a number of bytes")),
            (bytes, "99999999999GiB", Err("not a number of bytes")),
            (bytes, "0", Err("below the minimum of 1 bytes")),
            (time, "7d", Ok("604800000")),
            (time, "10min", Ok("600000")),
            (time, "", Err("not a time")),
            (Kind::Choice(&["sync", "os"]), "OS", Ok("os")),
            (Kind::Choice(&["sync", "os"]), "fast", Err("none of its values")),
            (Kind::List, " a , ,b,", Ok("a,b")),
        ];
        for (kind, raw, expected) in rows {
            match (kind.canonical(raw), expected) {
                (Ok(value), Ok(wanted)) => assert_eq!(value, *wanted, "{raw:?}"),
                (Err(message), Err(part)) => assert!(message.contains(part), "{raw:?}: {message}"),
                (got, wanted) => panic!("{raw:?}: {got:?}, expected {wanted:?}"),
            }
        }
    }
}
