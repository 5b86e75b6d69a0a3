//! What a user says about the warehouse: where it is, and how to reach a bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::files;

/// The region that is signed for when nobody names one.
const DEFAULT_REGION: &str = "us-east-1";

/// Where a warehouse is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A directory of this machine; absolute.
    Local(PathBuf),
    /// A prefix of a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// Where in it, without slashes around; empty for all of it.
        prefix: String,
    },
}

impl Root {
    /// Reads a URL (`s3://bucket/prefix`, `file:///path`) or an absolute path; the error says what
    /// is wrong with it.
    pub fn parse(text: &str) -> Result<Root, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return local(text.strip_prefix("file:").unwrap_or(text));
        };
        match scheme {
            "file" => local(rest),
            "s3" | "s3a" => s3(rest),
            other => {
                Err(format!("{other}:// is no warehouse: s3://bucket/prefix and file:/// are"))
            }
        }
    }

    /// The root as a URL, without a slash at its end.
    pub fn url(&self) -> String {
        match self {
            Root::Local(path) => files::location_of(path).trim_end_matches('/').to_string(),
            Root::S3 { bucket, prefix } if prefix.is_empty() => format!("s3://{bucket}"),
            Root::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        }
    }
}

impl From<PathBuf> for Root {
    fn from(path: PathBuf) -> Root {
        Root::Local(path)
    }
}

fn local(path: &str) -> Result<Root, String> {
    if path.starts_with('/') {
        Ok(Root::Local(PathBuf::from(path).components().collect()))
    } else {
        Err(format!("{path} is not an absolute path"))
    }
}

fn s3(rest: &str) -> Result<Root, String> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(legal) {
        return Err(format!(
            "{bucket:?} is no bucket: 3 to 63 lower-case letters, digits, `-` and `.`"
        ));
    }
    let prefix = prefix.trim_matches('/');
    let legal = |c: char| c.is_ascii_alphanumeric() || "!_.'()=-".contains(c);
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(legal);
    if !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err(format!(
            "{prefix:?} is no prefix: letters, digits and any of !_.'()=- between single slashes"
        ));
    }
    Ok(Root::S3 { bucket: bucket.to_string(), prefix: prefix.to_string() })
}

/// Text that must not be shown: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for whoever signs with it or hands it on.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A pair of keys, with the token that temporary ones have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: Secret,
    /// The session token of temporary keys.
    pub session_token: Option<Secret>,
}

/// Which keys engines get with a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vend {
    /// None: engines bring their own.
    None,
    /// Those for reading, if there are any.
    #[default]
    ReadOnly,
    /// Those for reading, or else the broker's own, which may do all that the broker may.
    Own,
}

/// How buckets are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Options {
    /// Another server than Amazon's, as `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The broker's keys; without them the roles of the environment are tried (web identity,
    /// container, instance).
    pub keys: Option<Keys>,
    /// `endpoint/bucket/key` rather than `bucket.endpoint/key`.
    pub is_path_style: bool,
    /// Which keys engines get.
    pub vend: Vend,
    /// Keys for reading, made to be given out.
    pub vended_keys: Option<Keys>,
}

impl Default for S3Options {
    fn default() -> Self {
        S3Options {
            endpoint: None,
            region: DEFAULT_REGION.into(),
            keys: None,
            is_path_style: true,
            vend: Vend::default(),
            vended_keys: None,
        }
    }
}

impl S3Options {
    /// What engines are told, under Iceberg's names.
    pub(super) fn told(&self) -> BTreeMap<String, String> {
        let mut config = BTreeMap::from([
            ("client.region".to_string(), self.region.clone()),
            ("s3.region".to_string(), self.region.clone()),
            ("s3.path-style-access".to_string(), self.is_path_style.to_string()),
        ]);
        if let Some(endpoint) = &self.endpoint {
            config.insert("s3.endpoint".into(), endpoint.clone());
        }
        config
    }

    /// The keys that engines get if they ask for some.
    pub(super) fn vended(&self) -> Option<&Keys> {
        match self.vend {
            Vend::None => None,
            Vend::ReadOnly => self.vended_keys.as_ref(),
            Vend::Own => self.vended_keys.as_ref().or(self.keys.as_ref()),
        }
    }
}

impl Keys {
    /// The keys as engines are told them, under Iceberg's names.
    pub(crate) fn reveal(&self) -> Vec<(String, String)> {
        let mut config = vec![
            ("s3.access-key-id".to_string(), self.access_key_id.clone()),
            ("s3.secret-access-key".to_string(), self.secret_access_key.reveal().to_string()),
        ];
        if let Some(token) = &self.session_token {
            config.push(("s3.session-token".to_string(), token.reveal().to_string()));
        }
        config
    }
}
