//! Recognises what people connect by mistake: TLS and HTTP on the Kafka port.
//!
//! The first four bytes of a Kafka connection are a frame size. A TLS hello and an HTTP
//! request start with bytes that would be absurd sizes, so one look names the mistake.

/// What the first bytes of a connection look like, if not like a Kafka frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// A TLS ClientHello.
    Tls,
    /// An HTTP/1 or HTTP/2 request.
    Http,
}

impl Stranger {
    /// A sentence for the log that names the remedy.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Tls => {
                "a TLS hello arrived on a PLAINTEXT listener; set security.protocol=PLAINTEXT in the client"
            }
            Self::Http => {
                "an HTTP request arrived on the Kafka port; HTTP is served on http.address"
            }
        }
    }
}

/// Judges the first four bytes of a connection.
pub fn stranger(first: [u8; 4]) -> Option<Stranger> {
    const HTTP: [&[u8; 4]; 9] =
        [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"PRI "];
    if first[0] == 0x16 && first[1] == 0x03 {
        return Some(Stranger::Tls);
    }
    HTTP.contains(&&first).then_some(Stranger::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tls_and_http_and_passes_kafka() {
        let cases: [([u8; 4], Option<Stranger>); 5] = [
            ([0x16, 0x03, 0x01, 0x02], Some(Stranger::Tls)),
            (*b"GET ", Some(Stranger::Http)),
            (*b"PRI ", Some(Stranger::Http)),
            ([0, 0, 0, 20], None),
            ([0x16, 0, 0, 0], None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(stranger(bytes), expected, "{bytes:?}");
        }
    }
}
