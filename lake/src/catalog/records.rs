//! What the catalog keeps in the metadata log about engines' namespaces and tables.
//!
//! ```text
//!  in/<level>␟<level>                a namespace: its properties
//!  it/<level>␟<level>␞<table>        a table: its pointer        (␟ is 0x1f, ␞ is 0x1e)
//!  iw/<uuid>                         a metadata file that is being written for a commit
//!  ig/<uuid>                         something that nothing refers to any more, to be removed
//! ```
//!
//! Topics' tables stand under `i/` (pointer.rs) and meet none of these. A commit puts its pointer
//! and removes its `iw/` record in one change, so what a crash leaves under `iw/` is exactly what
//! was written for nothing. Values are a format version byte and a JSON object; golden bytes in
//! the tests hold the format.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Prefix of namespaces.
pub(crate) const NAMESPACES: &[u8] = b"in/";
/// Prefix of engines' tables.
pub(crate) const TABLES: &[u8] = b"it/";
/// Prefix of metadata files being written.
pub(crate) const WRITING: &[u8] = b"iw/";
/// Prefix of what is to be removed.
pub(crate) const GARBAGE: &[u8] = b"ig/";

const FORMAT_VERSION: u8 = 1;
const LEVEL_END: &str = "\u{1f}";
const NAMESPACE_END: &str = "\u{1e}";

/// A namespace that an engine made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct NamespaceRecord {
    /// Its levels.
    pub(crate) namespace: Vec<String>,
    /// Its properties as they were given.
    pub(crate) properties: BTreeMap<String, String>,
}

/// The pointer of an engine's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TableRecord {
    /// The levels of its namespace.
    pub(crate) namespace: Vec<String>,
    /// Its name.
    pub(crate) table: String,
    /// Its uuid in its metadata.
    pub(crate) table_uuid: Uuid,
    /// Counts the commits made here, from 1; metadata files carry the number.
    pub(crate) commit: u64,
    /// Its location.
    pub(crate) location: String,
    /// Location of the current metadata file.
    pub(crate) metadata_location: String,
    /// Location of the metadata file before it.
    pub(crate) previous_metadata_location: Option<String>,
}

/// Files that are to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unwanted {
    /// Single files.
    Files(Vec<String>),
    /// Everything below a location.
    Tree(String),
}

/// The key of a namespace.
pub(crate) fn namespace_key(levels: &[String]) -> Bytes {
    Bytes::from(format!("in/{}", levels.join(LEVEL_END)))
}

/// The prefix of the namespaces below another, or of all.
pub(crate) fn namespaces_below(parent: &[String]) -> Vec<u8> {
    let mut prefix = NAMESPACES.to_vec();
    for level in parent {
        prefix.extend_from_slice(level.as_bytes());
        prefix.extend_from_slice(LEVEL_END.as_bytes());
    }
    prefix
}

/// The key of a table.
pub(crate) fn table_key(levels: &[String], table: &str) -> Bytes {
    Bytes::from(format!("it/{}{NAMESPACE_END}{table}", levels.join(LEVEL_END)))
}

/// The prefix of a namespace's tables.
pub(crate) fn tables_in(levels: &[String]) -> Vec<u8> {
    table_key(levels, "").to_vec()
}

/// A new key under [`WRITING`] or [`GARBAGE`].
pub(crate) fn unique_key(prefix: &[u8], unique: Uuid) -> Bytes {
    [prefix, unique.simple().to_string().as_bytes()].concat().into()
}

/// A record's value.
pub(crate) fn encode(record: &impl Serialize) -> Bytes {
    let mut bytes = vec![FORMAT_VERSION];
    serde_json::to_writer(&mut bytes, record)
        .expect("a struct of strings and numbers can be written as JSON");
    Bytes::from(bytes)
}

/// Reads a record's value; the message names the key.
pub(crate) fn decode<R: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<R, String> {
    let key = String::from_utf8_lossy(key).escape_debug().to_string();
    match value.split_first() {
        Some((&FORMAT_VERSION, json)) => serde_json::from_slice(json)
            .map_err(|e| format!("the catalog record {key} cannot be read: {e}")),
        Some((version, _)) => Err(format!(
            "the catalog record {key} has format version {version}, newer than this release's \
             {FORMAT_VERSION}; start the newer release"
        )),
        None => Err(format!("the catalog record {key} cannot be read: it is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str) -> Vec<String> {
        text.split('.').map(str::to_string).collect()
    }

    #[test]
    fn record_bytes_are_golden() {
        let namespace = NamespaceRecord {
            namespace: levels("a.b"),
            properties: BTreeMap::from([("owner".into(), "me".into())]),
        };
        let golden = "\u{1}{\"namespace\":[\"a\",\"b\"],\"properties\":{\"owner\":\"me\"}}";
        assert_eq!(encode(&namespace), golden);
        assert_eq!(decode::<NamespaceRecord>(b"in/", golden.as_bytes()), Ok(namespace));

        let table = TableRecord {
            namespace: levels("a"),
            table: "t".into(),
            table_uuid: Uuid::from_u128(1),
            commit: 2,
            location: "file:///w/a/t".into(),
            metadata_location: "file:///w/a/t/metadata/00002-x.metadata.json".into(),
            previous_metadata_location: None,
        };
        let golden = concat!(
            "\u{1}{\"namespace\":[\"a\"],\"table\":\"t\",",
            "\"table-uuid\":\"00000000-0000-0000-0000-000000000001\",\"commit\":2,",
            "\"location\":\"file:///w/a/t\",",
            "\"metadata-location\":\"file:///w/a/t/metadata/00002-x.metadata.json\",",
            "\"previous-metadata-location\":null}",
        );
        assert_eq!(encode(&table), golden);
        assert_eq!(decode::<TableRecord>(b"it/", golden.as_bytes()), Ok(table));

        for (unwanted, golden) in [
            (Unwanted::Files(vec!["f".into()]), "\u{1}{\"files\":[\"f\"]}"),
            (Unwanted::Tree("t".into()), "\u{1}{\"tree\":\"t\"}"),
        ] {
            assert_eq!(encode(&unwanted), golden);
            assert_eq!(decode::<Unwanted>(b"ig/", golden.as_bytes()), Ok(unwanted));
        }
    }

    #[test]
    fn keys_tell_levels_tables_and_kinds_apart() {
        let unique = |prefix| unique_key(prefix, Uuid::from_u128(0xab));
        assert_eq!(unique(WRITING), "iw/000000000000000000000000000000ab");
        assert_eq!(unique(GARBAGE), "ig/000000000000000000000000000000ab");
        assert_eq!(namespace_key(&levels("a.b")), "in/a\u{1f}b");
        assert_eq!(table_key(&levels("a.b"), "t"), "it/a\u{1f}b\u{1e}t");
        assert_eq!(namespaces_below(&[]), b"in/");
        assert!(namespace_key(&levels("a.b")).starts_with(&namespaces_below(&levels("a"))));
        assert!(!namespace_key(&levels("ab")).starts_with(&namespaces_below(&levels("a"))));
        assert!(!table_key(&levels("a.b"), "t").starts_with(&tables_in(&levels("a"))));
        for prefix in [NAMESPACES, TABLES, WRITING, GARBAGE] {
            assert!(!prefix.starts_with(crate::pointer::PREFIX), "topics' tables are elsewhere");
        }
    }

    #[test]
    fn unreadable_records_say_why() {
        for (value, expected) in
            [("", "it is empty"), ("\u{2}{}", "newer than this release"), ("\u{1}{}", "missing")]
        {
            let reason = decode::<TableRecord>(b"it/a\x1et", value.as_bytes()).unwrap_err();
            assert!(reason.contains(expected) && reason.contains("it/a"), "{reason}");
        }
    }
}
