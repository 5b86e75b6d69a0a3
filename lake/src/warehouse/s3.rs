//! Buckets through `object_store`, for threads that block.
//!
//! One small runtime does the waiting; it starts with the first call. Every request has a
//! time-out and a bounded number of retries, every call ends when the lake closes, and what a
//! call learns about the bucket as a whole is kept in its [`Outage`]. New objects are created
//! with `If-None-Match: *`, so nothing is ever overwritten; large files go up in parts, a few of
//! them in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutPayload, RetryConfig,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::options::S3Options;
use super::outage::{Event, Outage};
use crate::{LakeError, StoreTrouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// One request, be it a part of eight megabytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// One call that is not an upload, its retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const RETRIES: usize = 3;
const PART_BYTES: usize = 8 << 20;
/// Parts of one upload in flight: with [`PART_BYTES`] the memory that an upload takes.
const PARTS_IN_FLIGHT: usize = 2;
/// As much of an error as a person reads.
const REASON_CHARS: usize = 400;

#[derive(Debug)]
pub(super) struct S3 {
    options: S3Options,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
    runtime: OnceLock<Runtime>,
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Bucket {
    name: String,
    store: AmazonS3,
    outage: Mutex<Outage>,
}

impl Bucket {
    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl S3 {
    pub(super) fn new(options: S3Options) -> S3 {
        S3 {
            options,
            buckets: Mutex::default(),
            runtime: OnceLock::new(),
            closed: watch::channel(false).0,
        }
    }

    pub(super) fn options(&self) -> &S3Options {
        &self.options
    }

    /// Creates an object; one with these very bytes may be there already.
    pub(super) fn write(&self, bucket: &str, key: &str, bytes: &Bytes) -> Result<(), LakeError> {
        let call = Call { s3: self, action: "write", bucket, key };
        let path = call.path()?;
        let create = |store: AmazonS3| {
            let (path, payload) = (path.clone(), PutPayload::from_bytes(bytes.clone()));
            async move { store.put_opts(&path, payload, PutMode::Create.into()).await.map(drop) }
        };
        match call.run(Some(CALL_TIMEOUT), create) {
            Err(error) if error.is_exists() && self.read(bucket, key)? == *bytes => Ok(()),
            other => other,
        }
    }

    pub(super) fn read(&self, bucket: &str, key: &str) -> Result<Bytes, LakeError> {
        let call = Call { s3: self, action: "read", bucket, key };
        let path = call.path()?;
        call.run(Some(CALL_TIMEOUT), |store| async move { store.get(&path).await?.bytes().await })
    }

    pub(super) fn exists(&self, bucket: &str, key: &str) -> Result<bool, LakeError> {
        let call = Call { s3: self, action: "look for", bucket, key };
        let path = call.path()?;
        match call.run(Some(CALL_TIMEOUT), |store| async move { store.head(&path).await }) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> Result<(), LakeError> {
        let call = Call { s3: self, action: "remove", bucket, key };
        let path = call.path()?;
        match call.run(Some(CALL_TIMEOUT), |store| async move { store.delete(&path).await }) {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }

    pub(super) fn delete_under(&self, bucket: &str, key: &str) -> Result<(), LakeError> {
        let call = Call { s3: self, action: "remove everything under", bucket, key };
        let path = call.path()?;
        call.run(None, |store| async move {
            let found = store.list(Some(&path)).map_ok(|object| object.location).boxed();
            store.delete_stream(found).try_for_each(|_| async { Ok(()) }).await
        })
    }

    /// The names directly below `key`; behind `after`, if it is given.
    pub(super) fn list(
        &self,
        bucket: &str,
        key: &str,
        after: Option<&str>,
    ) -> Result<Vec<String>, LakeError> {
        let call = Call { s3: self, action: "list", bucket, key };
        let path = call.path()?;
        let offset = after.map(|name| path.clone().join(name));
        call.run(None, |store| async move {
            let found = match &offset {
                Some(offset) => store.list_with_offset(Some(&path), offset),
                None => store.list(Some(&path)),
            };
            let direct = found.try_filter_map(|object| {
                let parts = object
                    .location
                    .prefix_match(&path)
                    .map(|parts| parts.map(|part| part.as_ref().to_string()).collect::<Vec<_>>());
                let name = parts.filter(|parts| parts.len() == 1).and_then(|mut p| p.pop());
                async move { Ok(name) }
            });
            direct.try_collect().await
        })
    }

    /// Uploads a local file as a new object whose name nobody else uses.
    pub(super) fn upload(&self, bucket: &str, key: &str, file: &FilePath) -> Result<(), LakeError> {
        let open = || -> std::io::Result<(File, u64)> {
            let file = File::open(file)?;
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        let (mut source, bytes) = open().map_err(|e| LakeError::io("open", file, e))?;
        let call = Call { s3: self, action: "upload", bucket, key };
        let path = call.path()?;
        call.run(None, |store| async move {
            if bytes <= PART_BYTES as u64 {
                let payload = PutPayload::from_bytes(read_part(&mut source)?);
                return store.put(&path, payload).await.map(drop);
            }
            let mut upload = store.put_multipart(&path).await?;
            let sent = send_parts(upload.as_mut(), &mut source).await;
            if sent.is_err() {
                // What stays behind, the bucket's life-cycle rules remove.
                drop(upload.abort().await);
            }
            sent
        })
    }

    pub(super) fn outage(&self, bucket: &str) -> Option<String> {
        let known = self.lock().get(bucket).cloned()?;
        known.outage().reason(Instant::now())
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Bucket>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bucket(&self, name: &str) -> Result<Arc<Bucket>, object_store::Error> {
        let mut buckets = self.lock();
        if let Some(bucket) = buckets.get(name) {
            return Ok(Arc::clone(bucket));
        }
        let store = client(&self.options, name)?;
        let bucket = Arc::new(Bucket { name: name.into(), store, outage: Mutex::default() });
        buckets.insert(name.to_string(), Arc::clone(&bucket));
        Ok(bucket)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("strom-lake-s3")
                .enable_all()
                .build()
                .expect("a thread and an event queue are all a runtime takes")
        })
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting here would block whoever drops the lake, which may be another runtime.
            runtime.shutdown_background();
        }
    }
}

/// One operation on one object or prefix.
struct Call<'a> {
    s3: &'a S3,
    action: &'static str,
    bucket: &'a str,
    key: &'a str,
}

impl Call<'_> {
    fn path(&self) -> Result<Path, LakeError> {
        Path::parse(self.key).map_err(|e| self.error(StoreTrouble::Other, e.to_string()))
    }

    /// Runs the operation on this thread, unless the bucket is known not to answer.
    fn run<T, F>(
        &self,
        limit: Option<Duration>,
        operation: impl FnOnce(AmazonS3) -> F,
    ) -> Result<T, LakeError>
    where
        F: Future<Output = Result<T, object_store::Error>>,
    {
        let bucket = self.s3.bucket(self.bucket);
        let bucket = bucket.map_err(|e| self.error(StoreTrouble::Unavailable, said(&e)))?;
        if let Some(reason) = bucket.outage().reason(Instant::now()) {
            return Err(self.error(StoreTrouble::Unavailable, reason));
        }
        let mut closed = self.s3.closed.subscribe();
        let operation = operation(bucket.store.clone());
        let outcome = self.s3.runtime().block_on(async {
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => None,
                outcome = within(limit, operation) => Some(outcome),
            }
        });
        match outcome {
            None => Err(self.error(StoreTrouble::Other, "the lake is closing".into())),
            Some(Ok(value)) => {
                note(&bucket, |outage| outage.answered(Instant::now()), "");
                Ok(value)
            }
            Some(Err(Failed { trouble, reason })) => {
                let now = Instant::now();
                match trouble {
                    StoreTrouble::Unavailable => {
                        note(&bucket, |outage| outage.failed(&reason, now), &reason);
                    }
                    StoreTrouble::Missing | StoreTrouble::Exists | StoreTrouble::Other => {
                        note(&bucket, |outage| outage.answered(now), "");
                    }
                }
                Err(self.error(trouble, reason))
            }
        }
    }

    fn error(&self, trouble: StoreTrouble, reason: String) -> LakeError {
        let location = format!("s3://{}/{}", self.bucket, self.key);
        LakeError::Store { action: self.action, location, reason, trouble }
    }
}

fn note(bucket: &Bucket, learn: impl FnOnce(&mut Outage) -> Event, reason: &str) {
    let event = learn(&mut bucket.outage());
    match event {
        Event::Known => {}
        Event::Failing { retry_in } => tracing::warn!(
            bucket = bucket.name,
            reason,
            retry_s = retry_in.as_secs(),
            "the bucket cannot be used; its tables wait, the topics do not"
        ),
        Event::Healed { after } => tracing::info!(
            bucket = bucket.name,
            after_s = after.as_secs(),
            "the bucket can be used again"
        ),
    }
}

struct Failed {
    trouble: StoreTrouble,
    reason: String,
}

async fn within<T>(
    limit: Option<Duration>,
    operation: impl Future<Output = Result<T, object_store::Error>>,
) -> Result<T, Failed> {
    let failed = |error: object_store::Error| {
        let reason = said(&error);
        Failed { trouble: trouble(&error, &reason), reason }
    };
    match limit {
        None => operation.await.map_err(failed),
        Some(limit) => match tokio::time::timeout(limit, operation).await {
            Ok(outcome) => outcome.map_err(failed),
            Err(_) => Err(Failed {
                trouble: StoreTrouble::Unavailable,
                reason: format!("no answer within {} s", limit.as_secs()),
            }),
        },
    }
}

fn client(options: &S3Options, bucket: &str) -> Result<AmazonS3, object_store::Error> {
    // Keys and endpoints of the environment were read into the options at start; without keys
    // the role that the environment describes is looked for here.
    let builder = match options.keys {
        Some(_) => AmazonS3Builder::new(),
        None => AmazonS3Builder::from_env(),
    };
    let mut builder = builder
        .with_bucket_name(bucket)
        .with_region(&options.region)
        .with_virtual_hosted_style_request(!options.is_path_style)
        .with_disable_tagging(true);
    let mut is_plain = false;
    if let Some(endpoint) = &options.endpoint {
        is_plain = endpoint.starts_with("http://");
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, host)) if !options.is_path_style => format!("{scheme}://{bucket}.{host}"),
            Some(_) | None => endpoint.clone(),
        };
        // Stronger than an endpoint of the environment, under whichever of its two names.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(keys) = &options.keys {
        builder = builder
            .with_access_key_id(&keys.access_key_id)
            .with_secret_access_key(keys.secret_access_key.reveal());
        if let Some(token) = &keys.session_token {
            builder = builder.with_token(token.reveal());
        }
    }
    builder
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(is_plain)
                .with_connect_timeout(CONNECT_TIMEOUT)
                .with_timeout(REQUEST_TIMEOUT),
        )
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: CALL_TIMEOUT,
        })
        .build()
}

async fn send_parts(
    upload: &mut dyn MultipartUpload,
    source: &mut File,
) -> Result<(), object_store::Error> {
    let mut in_flight = futures::stream::FuturesUnordered::new();
    loop {
        let part = read_part(source)?;
        if part.is_empty() {
            break;
        }
        if in_flight.len() >= PARTS_IN_FLIGHT {
            in_flight.next().await.transpose()?;
        }
        in_flight.push(upload.put_part(PutPayload::from_bytes(part)));
    }
    in_flight.try_for_each(|()| async { Ok(()) }).await?;
    upload.complete().await.map(drop)
}

/// The next part of a file; empty at its end. The file was just written, so this is memory.
fn read_part(source: &mut File) -> Result<Bytes, object_store::Error> {
    let mut part = Vec::new();
    source
        .take(PART_BYTES as u64)
        .read_to_end(&mut part)
        .map_err(|e| object_store::Error::Generic { store: "spool", source: Box::new(e) })?;
    Ok(Bytes::from(part))
}

/// What an error means for the caller.
fn trouble(error: &object_store::Error, reason: &str) -> StoreTrouble {
    // What concerns the whole bucket, whatever status it comes with.
    const WHOLE: [&str; 4] =
        ["NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"];
    if WHOLE.iter().any(|code| reason.contains(code)) {
        return StoreTrouble::Unavailable;
    }
    match error {
        object_store::Error::NotFound { .. } => StoreTrouble::Missing,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            StoreTrouble::Exists
        }
        // A server that answers, and refuses this very request.
        object_store::Error::Generic { store, .. }
            if *store == "spool" || reason.contains("status code: 4") =>
        {
            StoreTrouble::Other
        }
        object_store::Error::Generic { .. } | object_store::Error::Unauthenticated { .. } => {
            StoreTrouble::Unavailable
        }
        _ => StoreTrouble::Other,
    }
}

/// An error with its causes, on one line of bounded length. A bucket's own words come first.
fn said(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(content, _)| content.trim().to_string())
    };
    if let Some(code) = element("Code") {
        let message = element("Message").unwrap_or_default();
        text = format!("{code}: {message} ({text})");
    }
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn errors_are_told_apart_and_a_buckets_own_words_come_first() {
        let body = "status code: 404 Not Found: <?xml?>\n<Error><Code>NoSuchBucket</Code>\
                    <Message>It is not there</Message></Error>";
        let missing = |text: &str| object_store::Error::NotFound {
            path: "a".into(),
            source: text.to_string().into(),
        };
        let denied = object_store::Error::PermissionDenied {
            path: "a".into(),
            source: "<Code>SignatureDoesNotMatch</Code>".into(),
        };
        for (error, expected, begins) in [
            (missing("no"), StoreTrouble::Missing, "Object at location a not found"),
            (missing(body), StoreTrouble::Unavailable, "NoSuchBucket: It is not there ("),
            (denied, StoreTrouble::Unavailable, "SignatureDoesNotMatch"),
            (generic("status code: 400 Bad"), StoreTrouble::Other, "Generic S3"),
            (generic("status code: 503"), StoreTrouble::Unavailable, "Generic S3"),
            (generic("connection refused"), StoreTrouble::Unavailable, "Generic S3"),
        ] {
            let reason = said(&error);
            assert_eq!(trouble(&error, &reason), expected, "{reason}");
            assert!(reason.starts_with(begins) && !reason.contains('\n'), "{reason}");
        }
        assert_eq!(said(&generic(&"x".repeat(9_000))).len(), REASON_CHARS);
    }
}
