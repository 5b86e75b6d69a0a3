//! Newtypes that every crate shares.

use std::fmt;

use uuid::Uuid;

/// Digits of base64url (RFC 4648, section 5).
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Identity of a topic (KIP-516): a topic that is created again gets another one. Displayed as
/// Kafka does, in 22 characters of base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// "No topic id" on the wire; never the id of a topic.
    pub const ZERO: TopicId = TopicId(Uuid::nil());

    /// Whether this is [`TopicId::ZERO`].
    pub fn is_zero(self) -> bool {
        self == TopicId::ZERO
    }

    /// The sixteen bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<TopicId> {
        if text.len() != 22 {
            return None;
        }
        let mut value = 0u128;
        for (index, digit) in text.bytes().enumerate() {
            let digit = BASE64_URL.iter().position(|&known| known == digit)? as u128;
            if index < 21 {
                value = value << 6 | digit;
            } else if digit & 0xf == 0 {
                value = value << 2 | digit >> 4;
            } else {
                return None;
            }
        }
        Some(TopicId(Uuid::from_u128(value)))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.as_u128();
        let mut text = [0u8; 22];
        for (index, place) in text.iter_mut().enumerate() {
            let digit = if index < 21 { value >> (122 - 6 * index) } else { value << 4 };
            *place = BASE64_URL[(digit & 0x3f) as usize];
        }
        formatter.write_str(std::str::from_utf8(&text).expect("base64 digits are ascii"))
    }
}

impl From<Uuid> for TopicId {
    fn from(uuid: Uuid) -> Self {
        TopicId(uuid)
    }
}

impl From<TopicId> for Uuid {
    fn from(id: TopicId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_look_like_kafkas() {
        // Kafka: new Uuid(0x1234567890abcdefL, 0x1122334455667788L).toString().
        let id = TopicId(Uuid::from_u128(0x1234567890abcdef1122334455667788));
        assert_eq!(id.to_string(), "EjRWeJCrze8RIjNEVWZ3iA");
        assert_eq!(TopicId::parse("EjRWeJCrze8RIjNEVWZ3iA"), Some(id));
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        for wrong in
            ["", "EjRWeJCrze8RIjNEVWZ3i", "EjRWeJCrze8RIjNEVWZ3iB", "EjRWeJCrze8RIjNEVWZ3i="]
        {
            assert_eq!(TopicId::parse(wrong), None, "{wrong}");
        }
    }
}
