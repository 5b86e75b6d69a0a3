//! A record as clients see it, and the sets of records that tests produce.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A record to produce, or one that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// None leaves it to the client.
    pub timestamp: Option<i64>,
    /// None leaves it to the client.
    pub partition: Option<i32>,
}

/// A record with where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub topic: String,
    pub offset: i64,
    pub record: Record,
}

impl Record {
    pub fn new(key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
        Record {
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            ..Record::default()
        }
    }

    /// A record without a key whose value is this text.
    pub fn text(value: &str) -> Record {
        Record::new(None, Some(value.as_bytes()))
    }

    pub fn on(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }

    pub fn at(mut self, timestamp: i64) -> Record {
        self.timestamp = Some(timestamp);
        self
    }

    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Record {
        self.headers.push((name.to_string(), value.map(<[u8]>::to_vec)));
        self
    }

    /// The value as text, for tests that number their records.
    pub fn value_text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    pub fn to_json(&self) -> Value {
        let headers: Vec<Value> = self
            .headers
            .iter()
            .map(|(name, value)| json!([name, encoded(value.as_deref())]))
            .collect();
        json!({
            "key": encoded(self.key.as_deref()),
            "value": encoded(self.value.as_deref()),
            "headers": headers,
            "timestamp": self.timestamp,
            "partition": self.partition,
        })
    }

    pub fn from_json(json: &Value) -> Record {
        let headers = json["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        Record {
            key: decoded(&json["key"]),
            value: decoded(&json["value"]),
            headers: headers
                .iter()
                .map(|pair| (pair[0].as_str().unwrap().to_string(), decoded(&pair[1])))
                .collect(),
            timestamp: json["timestamp"].as_i64(),
            partition: json["partition"]
                .as_i64()
                .map(|partition| i32::try_from(partition).unwrap()),
        }
    }
}

impl Found {
    pub fn from_json(json: &Value) -> Found {
        Found {
            topic: json["topic"].as_str().unwrap().to_string(),
            offset: json["offset"].as_i64().unwrap(),
            record: Record::from_json(json),
        }
    }
}

pub fn encoded(data: Option<&[u8]>) -> Option<String> {
    data.map(|data| BASE64_STANDARD.encode(data))
}

pub fn decoded(json: &Value) -> Option<Vec<u8>> {
    json.as_str().map(|text| BASE64_STANDARD.decode(text).unwrap())
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Records with everything that a careless broker or client would change: null and empty keys and
/// values, binary data, duplicate, null and empty headers, sizes beyond one read, all on
/// partition 0 with increasing timestamps of the last minutes.
pub fn delicate_records() -> Vec<Record> {
    let binary: Vec<u8> = (0..=255).collect();
    let long: Vec<u8> = (0..40_000_u32).flat_map(|i| (i / 100).to_be_bytes()).collect();
    let some = |text: &'static str| Some(text.as_bytes());
    let records = vec![
        Record::new(some("key"), some("value")),
        Record::new(None, some("null key")),
        Record::new(some("null value"), None),
        Record::new(Some(b""), some("empty key")),
        Record::new(some("empty value"), Some(b"")),
        Record::new(Some(b""), Some(b"")),
        Record::new(None, None),
        Record::new(Some(&binary), Some(&binary)),
        Record::new(some("long"), Some(&long)),
        Record::new(some("ünïcödé ☃"), some("sn\u{f6}\u{1F600}")),
        Record::new(some("headers"), some("one")).header("name", some("content")),
        Record::new(some("headers"), some("duplicates"))
            .header("twice", some("first"))
            .header("twice", some("second"))
            .header("twice", some("first")),
        Record::new(some("headers"), some("interleaved"))
            .header("a", some("1"))
            .header("b", some("2"))
            .header("a", some("3")),
        Record::new(some("headers"), some("empty value")).header("empty", Some(b"")),
        Record::new(some("headers"), some("null value")).header("null", None),
        Record::new(some("headers"), some("binary")).header("bytes", Some(&[255, 128, 10, 1])),
        Record::new(some("headers"), some("zero")).header("bytes", Some(&[1, 0, 1])),
        Record::new(None, None).header("only", some("headers")),
    ];
    let start = now_ms() - 120_000;
    (0_i64..).zip(records).map(|(index, record)| record.on(0).at(start + index * 1000)).collect()
}

/// Bytes that no codec makes small; the same for the same number.
pub fn noise(number: usize, bytes: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..bytes).map(byte).collect()
}

/// Numbered records, without keys: `<prefix>0`, `<prefix>1`, …
pub fn numbered(prefix: &str, count: usize) -> Vec<Record> {
    (0..count).map(|index| Record::text(&format!("{prefix}{index}"))).collect()
}
