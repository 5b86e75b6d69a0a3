//! What is emitted for a schema: structs with their fields in Rust's terms, and for each field the
//! expressions that read it, write it and compare it with its default.
//!
//! In the emitted code `r` is the reader, `w` the writer, `v` the version and `flex` says whether
//! lengths are compact.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::schema::{Field, Message, Versions};

/// `FetchOffset` to `fetch_offset`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 && !name[..index].ends_with(char::is_uppercase) {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    if text == "type" { "r#type".to_string() } else { text }
}

/// When something holds, as a condition on the version `v`.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// In every version of the context.
    Always,
    /// In none of them.
    Never,
    /// If this expression is true; the second is its negation.
    If(String, String),
}

impl When {
    /// True in `versions`, given that `v` lies in `context`.
    fn within(versions: Versions, context: Versions) -> When {
        let both = versions.intersect(context);
        if both.is_empty() {
            When::Never
        } else if both == context {
            When::Always
        } else if both.high == context.high {
            When::If(format!("v >= {}", both.low), format!("v < {}", both.low))
        } else if both.low == context.low {
            When::If(format!("v <= {}", both.high), format!("v > {}", both.high))
        } else if both.low == both.high {
            When::If(format!("v == {}", both.low), format!("v != {}", both.low))
        } else {
            let range = format!("({}..={}).contains(&v)", both.low, both.high);
            let negation = format!("!{range}");
            When::If(range, negation)
        }
    }

    /// The condition as a Rust expression.
    pub fn expression(&self) -> &str {
        match self {
            When::Always => "true",
            When::Never => "false",
            When::If(condition, _) => condition,
        }
    }
}

/// One struct to emit.
pub struct Shape {
    /// Its name in Rust.
    pub name: String,
    /// The versions in which it occurs.
    pub versions: Versions,
    /// The versions among them with compact lengths and tagged fields.
    pub flexible: When,
    /// Its fields in wire order.
    pub parts: Vec<Part>,
}

/// One field of a struct.
pub struct Part {
    /// Its name in Rust.
    pub name: String,
    /// Its type, or that of an array's elements.
    pub kind: Kind,
    is_array: bool,
    /// The versions in which the field exists.
    pub present: When,
    nullable: When,
    nullable_when_present: When,
    /// Its number, if it is a tagged field.
    pub tag: Option<u32>,
    default: String,
    /// Whether it may be dropped silently in a version that lacks it.
    pub ignorable: bool,
    /// What its documentation says.
    pub doc: String,
    /// Expression for "lengths are compact" inside the struct.
    flex: &'static str,
}

/// The type of a field or of an array's elements.
pub enum Kind {
    /// One byte.
    Bool,
    /// Rust's name, which is also the reader's method, and the size in bytes.
    Number(&'static str, usize),
    /// Sixteen bytes.
    Uuid,
    /// UTF-8 with a length.
    String,
    /// Bytes with a length.
    Bytes,
    /// A record set in pieces.
    Records,
    /// A struct of its own.
    Struct(Box<Shape>),
}

impl Shape {
    /// The struct of a message. `prefix` makes the names of its structs differ from those in
    /// `taken`.
    pub fn of_message(
        message: &Message,
        prefix: &str,
        taken: &mut HashSet<String>,
    ) -> Result<Shape, String> {
        let mut maker = Maker { prefix, flexible: message.flexible, taken };
        let mut shape = maker.shape(&message.name, &message.fields, message.versions)?;
        shape.name = message.name.clone();
        Ok(shape)
    }

    /// The fewest bytes that the struct can take in any of its versions.
    fn bytes_min(&self) -> usize {
        let fixed = self.parts.iter().filter(|part| part.tag.is_none());
        let fixed = fixed.filter(|part| part.present == When::Always);
        fixed.map(Part::bytes_min).sum::<usize>() + usize::from(self.flexible == When::Always)
    }
}

struct Maker<'a> {
    prefix: &'a str,
    flexible: Versions,
    taken: &'a mut HashSet<String>,
}

impl Maker<'_> {
    fn shape(&mut self, name: &str, fields: &[Field], versions: Versions) -> Result<Shape, String> {
        let flexible = When::within(self.flexible, versions);
        let flex = match flexible {
            When::Always => "true",
            When::Never => "false",
            When::If(..) => "flex",
        };
        let mut parts = Vec::new();
        for field in fields {
            parts.push(self.part(field, versions, flex)?);
        }
        parts.retain(|part| part.present != When::Never);
        Ok(Shape { name: name.to_string(), versions, flexible, parts })
    }

    fn part(
        &mut self,
        field: &Field,
        context: Versions,
        flex: &'static str,
    ) -> Result<Part, String> {
        let versions = field.versions.intersect(context);
        let (is_array, element) = match field.kind.strip_prefix("[]") {
            Some(element) => (true, element),
            None => (false, field.kind.as_str()),
        };
        if field.tag.is_some_and(|(_, tagged)| tagged.intersect(context) != versions) {
            return Err(format!("{}: tagged in some versions only", field.name));
        }
        Ok(Part {
            name: snake_case(&field.name),
            kind: self.kind(element, field, versions)?,
            is_array,
            present: When::within(field.versions, context),
            nullable: When::within(field.nullable.intersect(versions), context),
            nullable_when_present: When::within(field.nullable, versions),
            tag: field.tag.map(|(tag, _)| tag),
            default: field.default.clone(),
            ignorable: field.ignorable,
            doc: doc(field),
            flex,
        })
    }

    fn kind(&mut self, name: &str, field: &Field, versions: Versions) -> Result<Kind, String> {
        Ok(match name {
            "bool" => Kind::Bool,
            "int8" => Kind::Number("i8", 1),
            "int16" => Kind::Number("i16", 2),
            "uint16" => Kind::Number("u16", 2),
            "int32" => Kind::Number("i32", 4),
            "uint32" => Kind::Number("u32", 4),
            "int64" => Kind::Number("i64", 8),
            "float64" => Kind::Number("f64", 8),
            "uuid" => Kind::Uuid,
            "string" => Kind::String,
            "bytes" => Kind::Bytes,
            // A request's records are one slice of its frame; a response's are linked batches.
            "records" if self.prefix == "Request" => Kind::Bytes,
            "records" => Kind::Records,
            _ if field.fields.is_empty() => {
                return Err(format!("{}: unknown type {name}", field.name));
            }
            _ => {
                let mut unique = name.to_string();
                while !self.taken.insert(unique.clone()) {
                    unique.insert_str(0, self.prefix);
                }
                Kind::Struct(Box::new(self.shape(&unique, &field.fields, versions)?))
            }
        })
    }
}

fn doc(field: &Field) -> String {
    let mut text = match field.versions {
        Versions { low, high } if low == high => format!("Version {}", field.versions),
        versions => format!("Versions {versions}"),
    };
    if !field.nullable.is_empty() {
        let _ = write!(text, "; nullable {}", field.nullable);
    }
    if let Some((tag, _)) = field.tag {
        let _ = write!(text, "; tag {tag}");
    }
    if !field.default.is_empty() {
        let _ = write!(text, "; default {}", field.default);
    }
    text.push('.');
    text
}

impl Part {
    fn element_type(&self) -> String {
        match &self.kind {
            Kind::Bool => "bool".to_string(),
            Kind::Number(name, _) => (*name).to_string(),
            Kind::Uuid => "Uuid".to_string(),
            Kind::String => "ByteString".to_string(),
            Kind::Bytes => "Bytes".to_string(),
            Kind::Records => "Records".to_string(),
            Kind::Struct(shape) => shape.name.clone(),
        }
    }

    fn is_option(&self) -> bool {
        self.nullable != When::Never
    }

    /// Its type in Rust.
    pub fn rust_type(&self) -> String {
        let mut name = self.element_type();
        if self.is_array {
            name = format!("Vec<{name}>");
        }
        if self.is_option() { format!("Option<{name}>") } else { name }
    }

    /// Bytes that one element takes at least.
    fn element_bytes_min(&self) -> usize {
        match &self.kind {
            Kind::Bool => 1,
            Kind::Number(_, bytes) => *bytes,
            Kind::Uuid => 16,
            Kind::String if self.flex == "false" => 2,
            Kind::Bytes | Kind::Records if self.flex == "false" => 4,
            Kind::String | Kind::Bytes | Kind::Records => 1,
            Kind::Struct(shape) => shape.bytes_min(),
        }
    }

    fn bytes_min(&self) -> usize {
        match &self.kind {
            _ if self.is_array && self.flex == "false" => 4,
            _ if self.is_array => 1,
            Kind::Struct(_) if self.is_option() => 1,
            _ => self.element_bytes_min(),
        }
    }

    /// Kafka: an unstated default is the type's zero, also for nullable fields; records are null.
    fn is_null_by_default(&self) -> bool {
        self.is_option() && (self.default == "null" || matches!(self.kind, Kind::Records))
            || self.is_option() && matches!(self.kind, Kind::Bytes) && self.name == "records"
    }

    /// An expression for Kafka's default.
    pub fn default_value(&self) -> String {
        if self.is_null_by_default() {
            return "None".to_string();
        }
        let value = match &self.kind {
            _ if self.is_array => "Vec::new()".to_string(),
            Kind::Bool => (self.default == "true").to_string(),
            Kind::Number("f64", _) if self.default.is_empty() => "0.0".to_string(),
            Kind::Number(..) => number(&self.default),
            Kind::Uuid => "Uuid::nil()".to_string(),
            Kind::String if self.default.is_empty() => "ByteString::new()".to_string(),
            Kind::String => format!("ByteString::from_static(\"{}\")", self.default),
            Kind::Bytes => "Bytes::new()".to_string(),
            Kind::Records => "Records::default()".to_string(),
            Kind::Struct(shape) => format!("{}::default()", shape.name),
        };
        if self.is_option() { format!("Some({value})") } else { value }
    }

    /// Whether `Default::default()` of the Rust type is Kafka's default.
    pub fn has_plain_default(&self) -> bool {
        if self.is_option() {
            return self.is_null_by_default();
        }
        match self.kind {
            _ if self.is_array => true,
            Kind::Bool => self.default != "true",
            Kind::Number(..) => matches!(self.default.as_str(), "" | "0" | "0.0"),
            Kind::String => self.default.is_empty(),
            Kind::Uuid | Kind::Bytes | Kind::Records | Kind::Struct(_) => true,
        }
    }

    /// An expression that is true when the field differs from its default.
    pub fn is_set(&self) -> String {
        let place = format!("self.{}", self.name);
        if self.is_null_by_default() {
            return format!("{place}.is_some()");
        }
        let is_sequence = self.is_array || matches!(self.kind, Kind::String | Kind::Bytes);
        if is_sequence && self.default.is_empty() {
            return if self.is_option() {
                format!("{place}.as_ref().is_none_or(|value| !value.is_empty())")
            } else {
                format!("!{place}.is_empty()")
            };
        }
        match self.kind {
            Kind::Bool if self.default == "true" => format!("!{place}"),
            Kind::Bool => place,
            Kind::Uuid => format!("!{place}.is_nil()"),
            _ => format!("{place} != {}", self.default_value()),
        }
    }

    /// Reads one non-null element from `r`.
    fn read_element(&self) -> String {
        match &self.kind {
            Kind::Bool => "r.bool()".to_string(),
            Kind::Number(name, _) => format!("r.{name}()"),
            Kind::Uuid => "r.uuid()".to_string(),
            Kind::String => format!("r.string({})", self.flex),
            Kind::Bytes => format!("r.bytes({})", self.flex),
            Kind::Records => format!("r.bytes({}).map(Records::from)", self.flex),
            Kind::Struct(shape) => format!("{}::decode(r, v)", shape.name),
        }
    }

    fn read_array(&self, method: &str) -> String {
        let (flex, bytes) = (self.flex, self.element_bytes_min());
        format!("r.{method}({flex}, {bytes}, |r| {})?", self.read_element())
    }

    /// Reads the field, which is present, from `r`.
    pub fn read(&self) -> String {
        let required = if self.is_array {
            self.read_array("array")
        } else {
            format!("{}?", self.read_element())
        };
        if !self.is_option() {
            return required;
        }
        let nullable = match &self.kind {
            _ if self.is_array => self.read_array("array_or_null"),
            Kind::String => format!("r.string_or_null({})?", self.flex),
            Kind::Bytes => format!("r.bytes_or_null({})?", self.flex),
            Kind::Records => format!("r.bytes_or_null({})?.map(Records::from)", self.flex),
            _ => format!("if r.is_present()? {{ Some({required}) }} else {{ None }}"),
        };
        match &self.nullable_when_present {
            When::If(condition, _) => {
                format!("if {condition} {{ {nullable} }} else {{ Some({required}) }}")
            }
            _ => nullable,
        }
    }

    /// Writes one non-null element, as an expression of type `Result<(), _>`; true in the second
    /// place when it is of type `()` instead.
    fn write_element(&self, place: &str, by_reference: bool) -> (String, bool) {
        let value = if by_reference { format!("*{place}") } else { place.to_string() };
        let reference = if by_reference { place.to_string() } else { format!("&{place}") };
        match &self.kind {
            Kind::Bool => (format!("w.put_bool({value})"), true),
            Kind::Number(name, _) => (format!("w.put_{name}({value})"), true),
            Kind::Uuid => (format!("w.put_uuid({value})"), true),
            Kind::String => (format!("w.put_string({}, {reference})", self.flex), false),
            Kind::Bytes => (format!("w.put_bytes({}, {reference})", self.flex), false),
            Kind::Records => {
                (format!("w.put_records_or_null({}, Some({reference}))", self.flex), false)
            }
            Kind::Struct(shape) => (format!("{}::encode({reference}, w, v)", shape.name), false),
        }
    }

    fn write_array(&self, method: &str, values: &str) -> String {
        let (element, is_unit) = self.write_element("x", true);
        let element = if is_unit { format!("{{ {element}; Ok(()) }}") } else { element };
        format!("w.{method}({}, {values}, |w, x| {element})?;", self.flex)
    }

    /// Writes the field, which is present, as statements.
    pub fn write(&self) -> String {
        let place = format!("self.{}", self.name);
        if !self.is_option() {
            return if self.is_array {
                self.write_array("put_array", &format!("&{place}"))
            } else {
                let (statement, is_unit) = self.write_element(&place, false);
                if is_unit { format!("{statement};") } else { format!("{statement}?;") }
            };
        }
        let flex = self.flex;
        let nullable = match &self.kind {
            _ if self.is_array => {
                self.write_array("put_array_or_null", &format!("{place}.as_deref()"))
            }
            Kind::String => format!("w.put_string_or_null({flex}, {place}.as_deref())?;"),
            Kind::Bytes => format!("w.put_bytes_or_null({flex}, {place}.as_deref())?;"),
            Kind::Records => format!("w.put_records_or_null({flex}, {place}.as_ref())?;"),
            _ => {
                let (element, _) = self.write_element("x", true);
                format!(
                    "w.put_presence({place}.is_some()); if let Some(x) = &{place} {{ {element}?; }}"
                )
            }
        };
        let When::If(condition, _) = &self.nullable_when_present else { return nullable };
        let missing = format!("ok_or(unexpected_null(\"{}\", v))?", self.name);
        let required = if self.is_array {
            self.write_array("put_array", &format!("{place}.as_deref().{missing}"))
        } else {
            let (statement, _) = self.write_element(&format!("{place}.as_ref().{missing}"), true);
            format!("{statement}?;")
        };
        format!("if {condition} {{ {nullable} }} else {{ {required} }}")
    }
}

/// A number in Rust's words.
fn number(default: &str) -> String {
    match default {
        "" => "0",
        "0x7fffffff" | "2147483647" => "i32::MAX",
        "9223372036854775807" => "i64::MAX",
        other => other,
    }
    .to_string()
}
