//! `table.datalake.partition.by`: how the files of a topic's table are partitioned.
//!
//! ```text
//! none | field, field, …      field: __partition | day(__timestamp) | bucket[16, key] | truncate[1000, __offset]
//! ```
//!
//! Years to hours are of `__timestamp`; buckets of any column; prefixes of `key` and `value`, and
//! ranges of `__offset`. Values themselves only of `__partition`, which has few.

use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};

/// As many fields as anybody has use for; their values multiply.
const FIELDS_MAX: usize = 4;
/// Largest number of buckets and largest width that are accepted.
const PARAMETER_MAX: u32 = 1_000_000_000;

/// The fields of an option's value; the error says what to use instead.
pub fn parse_partition_by(text: &str) -> Result<Vec<PartitionField>, String> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let mut terms: Vec<PartitionField> = Vec::new();
    for field in fields(text) {
        let term = parse_term(field.trim())?;
        let is_alike = |other: &PartitionField| {
            other.column == term.column && same_kind(other.transform, term.transform)
        };
        if terms.iter().any(is_alike) {
            return Err(format!("each column once in the same way, without the second {field}"));
        }
        terms.push(term);
    }
    if terms.len() > FIELDS_MAX {
        return Err(format!("at most {FIELDS_MAX} fields"));
    }
    Ok(terms)
}

/// The parts between commas that stand outside of brackets.
fn fields(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let is_border = |c: char| {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(is_border).collect()
}

fn parse_term(field: &str) -> Result<PartitionField, String> {
    use PartitionColumn::{Key, Offset, Partition, Timestamp, Value};
    let unknown = || {
        format!(
            "none, or fields such as day(__timestamp), bucket[16, key], truncate[4, key] or \
             __partition instead of {field}"
        )
    };
    let Some(open) = field.find(['(', '[']) else {
        return match parse_column(field) {
            Some(Partition) => {
                Ok(PartitionField { column: Partition, transform: PartitionTransform::Identity })
            }
            Some(_) => Err(format!(
                "a transform of {field}, such as bucket[16, {field}]: only __partition has few \
                 enough values to be a partition each"
            )),
            None => Err(unknown()),
        };
    };
    let (name, rest) = field.split_at(open);
    let inner = rest.get(1..rest.len() - 1).filter(|_| rest.ends_with([')', ']']));
    let inner = inner.ok_or_else(unknown)?;
    let (parameter, column) = match inner.split_once(',') {
        Some((parameter, column)) => (Some(parameter.trim()), column.trim()),
        None => (None, inner.trim()),
    };
    let column = parse_column(column).ok_or_else(|| {
        format!("one of the columns key, value, __partition, __offset and __timestamp in {field}")
    })?;
    let parameter = match parameter {
        None => None,
        Some(text) => {
            Some(text.parse::<u32>().ok().filter(|n| (1..=PARAMETER_MAX).contains(n)).ok_or_else(
                || format!("a number from 1 to {PARAMETER_MAX} as the first part of {field}"),
            )?)
        }
    };
    let transform = match (name.trim().to_ascii_lowercase().as_str(), parameter) {
        ("identity", None) if column == Partition => PartitionTransform::Identity,
        ("year", None) => PartitionTransform::Year,
        ("month", None) => PartitionTransform::Month,
        ("day", None) => PartitionTransform::Day,
        ("hour", None) => PartitionTransform::Hour,
        ("bucket", Some(count)) => PartitionTransform::Bucket(count),
        ("truncate", Some(width)) => PartitionTransform::Truncate(width),
        _ => return Err(unknown()),
    };
    let fits = match transform {
        PartitionTransform::Identity | PartitionTransform::Bucket(_) => true,
        PartitionTransform::Year
        | PartitionTransform::Month
        | PartitionTransform::Day
        | PartitionTransform::Hour => column == Timestamp,
        PartitionTransform::Truncate(_) => matches!(column, Key | Value | Offset),
    };
    if fits {
        Ok(PartitionField { column, transform })
    } else {
        Err(format!(
            "year, month, day and hour with __timestamp, truncate with key, value or __offset, \
             instead of {field}"
        ))
    }
}

fn parse_column(text: &str) -> Option<PartitionColumn> {
    PartitionColumn::ALL.into_iter().find(|column| column.name() == text)
}

/// Whether two transforms of one column may not stand together: Iceberg refuses two of the same
/// name, and one of two grains of time says everything.
fn same_kind(left: PartitionTransform, right: PartitionTransform) -> bool {
    let is_time = |transform| {
        matches!(
            transform,
            PartitionTransform::Year
                | PartitionTransform::Month
                | PartitionTransform::Day
                | PartitionTransform::Hour
        )
    };
    (is_time(left) && is_time(right))
        || std::mem::discriminant(&left) == std::mem::discriminant(&right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        use {PartitionColumn as C, PartitionTransform as T};
        let term = |column, transform| PartitionField { column, transform };
        for (text, expected) in [
            ("none", vec![]),
            ("", vec![]),
            ("__partition", vec![term(C::Partition, T::Identity)]),
            ("identity(__partition)", vec![term(C::Partition, T::Identity)]),
            ("day(__timestamp)", vec![term(C::Timestamp, T::Day)]),
            ("Hour( __timestamp )", vec![term(C::Timestamp, T::Hour)]),
            ("bucket[16, key]", vec![term(C::Key, T::Bucket(16))]),
            ("bucket(16,key)", vec![term(C::Key, T::Bucket(16))]),
            (
                "month(__timestamp), bucket[4, value], truncate[1000, __offset]",
                vec![
                    term(C::Timestamp, T::Month),
                    term(C::Value, T::Bucket(4)),
                    term(C::Offset, T::Truncate(1000)),
                ],
            ),
        ] {
            assert_eq!(parse_partition_by(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_remedy() {
        for (text, remedy) in [
            ("key", "bucket[16, key]"),
            ("identity(key)", "instead of identity(key)"),
            ("day(key)", "with __timestamp"),
            ("truncate[4, __timestamp]", "truncate with key"),
            ("day(ts)", "one of the columns"),
            ("weekly(__timestamp)", "instead of weekly"),
            ("bucket[key]", "instead of bucket"),
            ("bucket[0, key]", "a number from 1"),
            ("bucket[x, key]", "a number from 1"),
            ("day(__timestamp", "instead of day"),
            ("day(", "instead of day("),
            ("]", "instead of ]"),
            ("day(__timestamp), hour(__timestamp)", "each column once"),
            ("__partition,__partition", "each column once"),
            (
                "__partition, bucket[2, key], bucket[2, value], bucket[2, __offset], day(__timestamp)",
                "at most 4",
            ),
        ] {
            let error = parse_partition_by(text).unwrap_err();
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
