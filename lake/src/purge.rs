//! Notes in the metadata log of dropped tables whose files are still to be removed.
//!
//! ```text
//!  lake/purge/<location>    a format version byte
//! ```
//!
//! A note is put by the very change that removes the table's pointer, and goes once nothing is left
//! below the location: a crash between leaves work for the next start, never files for ever. Golden
//! bytes in the tests hold the format.

use bytes::Bytes;
use strom_storage::Change;

/// Before the location.
pub(crate) const PREFIX: &[u8] = b"lake/purge/";

const FORMAT_VERSION: u8 = 1;

/// The key of the note about a location.
pub(crate) fn key(location: &str) -> Bytes {
    Bytes::from([PREFIX, location.as_bytes()].concat())
}

/// The change that notes a location.
pub(crate) fn note(location: &str) -> Change {
    Change::Put { key: key(location), value: Bytes::from_static(&[FORMAT_VERSION]) }
}

/// The location of a note; the message names the key.
pub(crate) fn location(key: &[u8], value: &[u8]) -> Result<String, String> {
    let shown = String::from_utf8_lossy(key).escape_debug().to_string();
    let location = key.strip_prefix(PREFIX).and_then(|rest| std::str::from_utf8(rest).ok());
    match (location, value) {
        (Some(location), [FORMAT_VERSION]) if !location.is_empty() => Ok(location.to_string()),
        (_, [version, ..]) if *version > FORMAT_VERSION => Err(format!(
            "the purge note {shown} has format version {version}, newer than this release's \
             {FORMAT_VERSION}; start the newer release"
        )),
        _ => Err(format!("the purge note {shown} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"lake/purge/s3://lake/kafka/orders-x";
    const LOCATION: &str = "s3://lake/kafka/orders-x";

    #[test]
    fn note_bytes_are_golden() {
        let golden = Change::Put { key: KEY.into(), value: (b"\x01" as &[u8]).into() };
        assert_eq!(note(LOCATION), golden);
        assert_eq!(location(KEY, b"\x01"), Ok(LOCATION.to_string()));
    }

    #[test]
    fn unreadable_notes_say_why() {
        for (key, value, expected) in [
            (KEY, b"\x02" as &[u8], "format version 2, newer than this release's 1"),
            (KEY, b"\x02more", "newer than this release"),
            (KEY, b"", "cannot be read"),
            (KEY, b"\x01more", "cannot be read"),
            (b"lake/purge/", b"\x01", "cannot be read"),
            (b"lake/purge/\xff", b"\x01", "cannot be read"),
        ] {
            let reason = location(key, value).unwrap_err();
            assert!(reason.contains(expected) && reason.contains("lake/purge/"), "{reason}");
        }
    }
}
