//! Valid messages as bytes, filled with pseudo-random values, made from the schema alone.
//!
//! Knows the wire format a second time and in the most literal way; shares no code with the
//! generated decoders. The same seed gives the same bytes.

use super::generate::schema::{Field, Message, Versions};

/// A source of values.
pub struct Values {
    state: u64,
    /// How often lists are filled and nullable fields are not null: 0 never, 100 always.
    fill_percent: u64,
    version: i16,
    flexible: bool,
}

impl Values {
    pub fn new(seed: u64, fill_percent: u64) -> Self {
        Values {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            fill_percent,
            version: 0,
            flexible: false,
        }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn is_filled(&mut self) -> bool {
        self.next() % 100 < self.fill_percent
    }

    /// The bytes of one message.
    pub fn message(&mut self, schema: &Message, version: i16) -> Vec<u8> {
        self.version = version;
        self.flexible = within(schema.flexible, version);
        let mut out = Vec::new();
        self.fields(&schema.fields, &mut out);
        out
    }

    fn fields(&mut self, fields: &[Field], out: &mut Vec<u8>) {
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        let version = self.version;
        for field in fields.iter().filter(|field| within(field.versions, version)) {
            match field.tag {
                None => self.field(field, out),
                // A default is never written in a tagged field: leave it out or set it.
                Some((tag, _)) if self.is_filled() => {
                    let mut value = Vec::new();
                    self.set_field(field, &mut value);
                    tagged.push((tag, value));
                }
                Some(_) => {}
            }
        }
        if self.flexible {
            tagged.sort_by_key(|(tag, _)| *tag);
            uvarint(out, tagged.len() as u64);
            for (tag, value) in tagged {
                uvarint(out, u64::from(tag));
                uvarint(out, value.len() as u64);
                out.extend(value);
            }
        }
    }

    /// A field that may be empty or null.
    fn field(&mut self, field: &Field, out: &mut Vec<u8>) {
        let is_null = within(field.nullable, self.version) && !self.is_filled();
        let is_array = field.kind.starts_with("[]");
        if is_null {
            match field.kind.as_str() {
                "string" if !self.flexible => out.extend((-1i16).to_be_bytes()),
                "string" | "bytes" | "records" if self.flexible => out.push(0),
                _ if is_array && self.flexible => out.push(0),
                "bytes" | "records" => out.extend((-1i32).to_be_bytes()),
                _ if is_array => out.extend((-1i32).to_be_bytes()),
                _ => out.push(0xff),
            }
            return;
        }
        if is_array && !self.is_filled() {
            length(out, self.flexible, 0, 4);
            return;
        }
        let is_struct = !is_array && !field.fields.is_empty();
        if is_struct && within(field.nullable, self.version) {
            out.push(1);
        }
        self.set_field(field, out);
    }

    /// A field with a value other than its default.
    fn set_field(&mut self, field: &Field, out: &mut Vec<u8>) {
        match field.kind.strip_prefix("[]") {
            None => self.element(&field.kind, field, out),
            Some(kind) => {
                let count = 1 + self.next() % 3;
                length(out, self.flexible, count, 4);
                for _ in 0..count {
                    self.element(kind, field, out);
                }
            }
        }
    }

    fn element(&mut self, kind: &str, field: &Field, out: &mut Vec<u8>) {
        let number = (self.next() % 0x7fff_fffe + 1).to_be_bytes();
        match kind {
            "bool" => out.push(u8::from(field.default != "true")),
            "int8" => out.push(number[7] & 0x3f | 1),
            "int16" | "uint16" => out.extend(&[number[6] & 0x3f | 1, number[7]]),
            "int32" | "uint32" => {
                out.extend(&[number[4] & 0x3f | 1, number[5], number[6], number[7]])
            }
            "int64" => out.extend(number.map(|byte| byte | 1)),
            "float64" => out.extend(1.5f64.to_be_bytes()),
            "uuid" => out.extend([number, number].concat()),
            "string" => {
                let words = ["a", "events", "größe", "consumer-1", "日本"];
                let word = words[(number[7] % 5) as usize];
                length(out, self.flexible, word.len() as u64, 2);
                out.extend(word.as_bytes());
            }
            "bytes" | "records" => {
                let count = 1 + u64::from(number[7]);
                length(out, self.flexible, count, 4);
                out.extend((0..count).map(|index| index as u8 ^ number[6]));
            }
            _ => self.fields(&field.fields, out),
        }
    }
}

fn within(versions: Versions, version: i16) -> bool {
    (versions.low..=versions.high).contains(&version)
}

fn length(out: &mut Vec<u8>, flexible: bool, length: u64, width: usize) {
    if flexible {
        uvarint(out, length + 1);
    } else {
        out.extend(&length.to_be_bytes()[8 - width..]);
    }
}

fn uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
