//! The schema language: what the lines of `protocol/schema/*.txt` mean.

/// A range of versions; `None` is "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Lowest version.
    pub low: i16,
    /// Highest version; `i16::MAX` for "and above".
    pub high: i16,
}

impl Versions {
    /// No version at all.
    pub const NONE: Versions = Versions { low: 1, high: 0 };

    /// Reads `3`, `3-5`, `3+` or `none`.
    pub fn parse(text: &str) -> Result<Versions, String> {
        let number = |part: &str| {
            part.parse::<i16>().map_err(|_| format!("`{text}` is not a range of versions"))
        };
        if text == "none" {
            return Ok(Versions::NONE);
        }
        if let Some(low) = text.strip_suffix('+') {
            return Ok(Versions { low: number(low)?, high: i16::MAX });
        }
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        Ok(Versions { low: number(low)?, high: number(high)? })
    }

    /// Whether there is no version in the range.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// The versions in both ranges.
    pub fn intersect(self, other: Versions) -> Versions {
        Versions { low: self.low.max(other.low), high: self.high.min(other.high) }
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            formatter.write_str("none")
        } else if self.high == i16::MAX {
            write!(formatter, "{}+", self.low)
        } else if self.low == self.high {
            write!(formatter, "{}", self.low)
        } else {
            write!(formatter, "{}-{}", self.low, self.high)
        }
    }
}

/// One schema file.
#[derive(Debug, Clone)]
pub struct File {
    /// Kafka's API key; -1 for a file of data messages.
    pub api_key: i16,
    /// The API's name, or the file's for data messages.
    pub name: String,
    /// Request and response, or the data messages.
    pub messages: Vec<Message>,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Kafka's name, as in `FetchRequest`.
    pub name: String,
    /// All versions.
    pub versions: Versions,
    /// The versions with compact lengths and tagged fields.
    pub flexible: Versions,
    /// Kafka marks the highest version as unstable.
    pub unstable_latest: bool,
    /// Fields in wire order.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Kafka's name, in camel case.
    pub name: String,
    /// Kafka's type, as in `[]FetchTopic`.
    pub kind: String,
    /// The versions that have the field.
    pub versions: Versions,
    /// The versions in which it may be null.
    pub nullable: Versions,
    /// Its tag and the versions in which it is tagged.
    pub tag: Option<(u32, Versions)>,
    /// The default in Kafka's words; empty for the type's own.
    pub default: String,
    /// Whether it may be dropped silently in a version that lacks it.
    pub ignorable: bool,
    /// The fields of the struct; empty for other types.
    pub fields: Vec<Field>,
}

/// Reads a schema file. Errors begin with the line number.
pub fn parse(text: &str) -> Result<File, String> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        if !content.is_empty() && !content.starts_with('#') {
            let depth = (line.len() - content.len()) / 2;
            let words: Vec<&str> = content.split_whitespace().collect();
            lines.push(Line { number: index + 1, depth, words });
        }
    }
    let mut lines = lines.into_iter().peekable();
    let head = lines.next().ok_or("1: empty schema file")?;
    let mut file = match head.words.as_slice() {
        ["api", key, name] => {
            let api_key = key.parse().map_err(|_| head.error("the API key is not a number"))?;
            File { api_key, name: (*name).to_string(), messages: Vec::new() }
        }
        ["data", name] => File { api_key: -1, name: (*name).to_string(), messages: Vec::new() },
        _ => return Err(head.error("expected `api KEY NAME` or `data NAME`")),
    };
    while let Some(line) = lines.next() {
        let mut message = message(&line, &file.name)?;
        message.fields = fields(&mut lines, 1)?;
        file.messages.push(message);
    }
    Ok(file)
}

struct Line<'a> {
    number: usize,
    depth: usize,
    words: Vec<&'a str>,
}

impl Line<'_> {
    fn error(&self, message: &str) -> String {
        format!("{}: {message}", self.number)
    }

    fn versions(&self, text: &str) -> Result<Versions, String> {
        Versions::parse(text).map_err(|error| self.error(&error))
    }
}

fn message(line: &Line<'_>, api: &str) -> Result<Message, String> {
    let (name, rest) = match line.words.as_slice() {
        ["request", rest @ ..] => (format!("{api}Request"), rest),
        ["response", rest @ ..] => (format!("{api}Response"), rest),
        ["message", name, rest @ ..] => ((*name).to_string(), rest),
        _ => return Err(line.error("expected `request`, `response` or `message`")),
    };
    let [versions, flexible, options @ ..] = rest else {
        return Err(line.error("expected VERSIONS flexible=VERSIONS"));
    };
    let flexible = flexible.strip_prefix("flexible=").ok_or(line.error("expected flexible="))?;
    Ok(Message {
        name,
        versions: line.versions(versions)?,
        flexible: line.versions(flexible)?,
        unstable_latest: options.contains(&"unstable_latest"),
        fields: Vec::new(),
    })
}

fn fields<'a, I>(lines: &mut std::iter::Peekable<I>, depth: usize) -> Result<Vec<Field>, String>
where
    I: Iterator<Item = Line<'a>>,
{
    let mut found = Vec::new();
    while let Some(line) = lines.next_if(|line| line.depth >= depth) {
        if line.depth > depth {
            return Err(line.error("indented too far"));
        }
        let mut field = field(&line)?;
        field.fields = fields(lines, depth + 1)?;
        found.push(field);
    }
    Ok(found)
}

fn field(line: &Line<'_>) -> Result<Field, String> {
    let [name, kind, versions, options @ ..] = line.words.as_slice() else {
        return Err(line.error("expected NAME TYPE VERSIONS"));
    };
    let mut field = Field {
        name: (*name).to_string(),
        kind: (*kind).to_string(),
        versions: line.versions(versions)?,
        nullable: Versions::NONE,
        tag: None,
        default: String::new(),
        ignorable: false,
        fields: Vec::new(),
    };
    for option in options {
        match option.split_once('=') {
            None if *option == "ignorable" => field.ignorable = true,
            Some(("nullable", versions)) => field.nullable = line.versions(versions)?,
            Some(("default", value)) => field.default = value.to_string(),
            Some(("tag", value)) => {
                let (tag, versions) =
                    value.split_once(':').ok_or(line.error("expected tag=NUMBER:VERSIONS"))?;
                let tag = tag.parse().map_err(|_| line.error("the tag is not a number"))?;
                field.tag = Some((tag, line.versions(versions)?));
            }
            _ => return Err(line.error(&format!("unknown option `{option}`"))),
        }
    }
    Ok(field)
}
