//! Names of namespaces and tables: which are allowed, and what a directory is called after them.
//!
//! Levels of a namespace are separated by dots (`/v1/config` says so), so no name has one; nor
//! control characters, which separate names in the metadata log's keys, nor slashes.

use super::error::CatalogError;

/// Levels of a namespace at most.
pub(crate) const LEVELS_MAX: usize = 8;
/// Bytes of one name at most.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Fails unless every level of a namespace to be made may be called so.
pub(crate) fn check_levels(levels: &[String]) -> Result<(), CatalogError> {
    if levels.is_empty() || levels.len() > LEVELS_MAX {
        let count = levels.len();
        return Err(CatalogError::bad_request(format!(
            "Invalid namespace: it has {count} levels (1 to {LEVELS_MAX} are possible)"
        )));
    }
    levels.iter().try_for_each(|level| check("namespace", level))
}

/// Fails unless a table to be made may be called so.
pub(crate) fn check_table(name: &str) -> Result<(), CatalogError> {
    check("table name", name)
}

fn check(what: &str, name: &str) -> Result<(), CatalogError> {
    let is_separator = |c: char| c.is_control() || matches!(c, '.' | '/' | '\\');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(is_separator) {
        return Err(CatalogError::bad_request(format!(
            "Invalid {what} {name:?}: names have 1 to {NAME_BYTES_MAX} bytes, and no dot, slash, \
             backslash or control character"
        )));
    }
    Ok(())
}

/// What a directory is called after a name: letters, digits, `_` and `-` only, because clients
/// disagree on how anything else is written in a location.
pub(crate) fn directory(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_told_apart_later_are_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for (name, is_fine) in [
            ("orders", true),
            ("Größe 1", true),
            (long[1..].as_ref(), true),
            (long.as_str(), false),
            ("", false),
            ("a.b", false),
            ("a/b", false),
            ("a\\b", false),
            ("a\u{1e}b", false),
            ("a\u{1f}b", false),
        ] {
            assert_eq!(check_table(name).is_ok(), is_fine, "{name:?}");
            assert_eq!(check_levels(&[name.to_string()]).is_ok(), is_fine, "{name:?}");
        }
        let deep = vec!["a".to_string(); LEVELS_MAX];
        assert!(check_levels(&deep).is_ok());
        assert!(check_levels(&[deep, vec!["a".into()]].concat()).is_err());
        assert!(check_levels(&[]).is_err());
    }

    #[test]
    fn directories_are_plain() {
        for (name, expected) in [("orders-1_x", "orders-1_x"), ("a b%ü", "a_b__")] {
            assert_eq!(directory(name), expected);
        }
    }
}
