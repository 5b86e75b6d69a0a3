//! Where tables may be: inside the warehouse, and never among topics' tables. Pure.
//!
//! The broker writes metadata files to where a table says it is, and removes what is below that
//! place when the table is purged; so a location is judged before it is believed.

use super::error::CatalogError;
use super::names;

/// The places that matter to a judgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    /// The warehouse's location, without a slash at its end.
    pub(crate) root: &'a str,
    /// The namespace of topics' tables, a directory right below it.
    pub(crate) topics: &'a str,
}

impl Places<'_> {
    /// The location in its one spelling, if something may be there.
    pub(crate) fn check(&self, location: &str) -> Result<String, CatalogError> {
        let location = spelled(location);
        let root = self.root;
        let below = location.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
        let Some(below) = below else {
            return Err(CatalogError::bad_request(format!(
                "Invalid location {location}: it is not inside the warehouse; leave it out, or \
                 choose one below {root}"
            )));
        };
        let is_segment = |segment: &str| {
            let is_odd = |c: char| c.is_control() || matches!(c, '?' | '#' | '%' | '\\');
            !matches!(segment, "" | "." | "..") && !segment.contains(is_odd)
        };
        if !below.split('/').all(is_segment) {
            return Err(CatalogError::bad_request(format!(
                "Invalid location {location}: its parts may not be empty, `.` or `..`, nor have \
                 `?`, `#`, `%`, backslashes or control characters"
            )));
        }
        if below.split('/').next() == Some(self.topics) {
            return Err(CatalogError::forbidden(format!(
                "Location {location} is among the tables of topics; choose one outside of \
                 {root}/{}",
                self.topics
            )));
        }
        Ok(location)
    }

    /// Where a namespace's tables are unless it or they say otherwise.
    pub(crate) fn of_namespace(&self, levels: &[String]) -> String {
        let path: Vec<String> = levels.iter().map(|level| names::directory(level)).collect();
        format!("{}/{}", self.root, path.join("/"))
    }
}

/// One spelling: three slashes after `file:`, none at the end.
fn spelled(location: &str) -> String {
    let location = location.trim_end_matches('/');
    match location.strip_prefix("file:/") {
        Some(rest) if !rest.starts_with('/') => format!("file:///{rest}"),
        _ => location.to_string(),
    }
}

/// Whether one of two locations is the other, or inside it.
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    let contains = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    contains(a, b) || contains(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_outside_and_odd_ones_are_refused() {
        let local = Places { root: "file:///data/lake", topics: "kafka" };
        for (location, expected) in [
            ("file:///data/lake/a/t", Ok("file:///data/lake/a/t")),
            ("file:/data/lake/a/t/", Ok("file:///data/lake/a/t")),
            ("file:///data/lake/kafka2/t", Ok("file:///data/lake/kafka2/t")),
            ("file:///data/lake", Err(400)),
            ("file:///data/lake/", Err(400)),
            ("file:///data/lake2/t", Err(400)),
            ("file:///etc/cron.d", Err(400)),
            ("/data/lake/a", Err(400)),
            ("s3://bucket/a", Err(400)),
            ("file:///data/lake/../x", Err(400)),
            ("file:///data/lake/a/./t", Err(400)),
            ("file:///data/lake//t", Err(400)),
            ("file:///data/lake/a%2Ft", Err(400)),
            ("file:///data/lake/a?t", Err(400)),
            ("file:///data/lake/kafka/orders-x", Err(403)),
            ("file:///data/lake/kafka", Err(403)),
        ] {
            let judged = local.check(location);
            let judged = judged.as_deref().map_err(|error| error.status);
            assert_eq!(judged, expected, "{location}");
        }
        let bucket = Places { root: "s3://bucket/lake", topics: "kafka" };
        assert_eq!(bucket.check("s3://bucket/lake/a/t").unwrap(), "s3://bucket/lake/a/t");
        assert_eq!(bucket.check("s3://bucket/other/t").unwrap_err().status, 400);
        let levels = ["a b".to_string(), "c".to_string()];
        assert_eq!(bucket.of_namespace(&levels), "s3://bucket/lake/a_b/c");
    }

    #[test]
    fn overlap_is_by_whole_parts() {
        for (a, b, expected) in [
            ("file:///w/a", "file:///w/a", true),
            ("file:///w/a", "file:///w/a/b", true),
            ("file:///w/a/b", "file:///w/a", true),
            ("file:///w/a", "file:///w/ab", false),
            ("file:///w/a", "file:///w/b", false),
        ] {
            assert_eq!(overlap(a, b), expected, "{a} {b}");
        }
    }
}
