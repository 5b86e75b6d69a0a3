//! One client's connection as the broker sees it: frames become typed calls, calls get replies.
//!
//! A frame that cannot be understood ends the connection with one log line, as in Kafka; the
//! exception is ApiVersions, whose unknown versions are answered so that clients can step down.

use std::net::SocketAddr;
use std::sync::Arc;

use strom_protocol::ByteString;
use strom_protocol::api::{ApiKey, Request, Response};
use strom_protocol::frame::{self, RequestHeader};
use strom_protocol::record::Scratch;
use strom_protocol::wire::Reader;
use tokio::sync::watch;
use tracing::{error, info};

use crate::broker::Broker;
use crate::dispatch;
use crate::net::{Frame, Handler, Reply, Verdict, raised};

/// Requests without records may be this large. Their many small fields take some twenty times
/// their bytes once decoded; no client sends more than a few MB.
const COMMAND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The state of one connection.
pub struct Session {
    /// The broker behind it.
    pub broker: Arc<Broker>,
    /// Decompression buffers, reused from one produce request to the next.
    pub scratch: Scratch,
    peer: SocketAddr,
    listener: usize,
    gone: watch::Receiver<bool>,
    shutdown: watch::Receiver<bool>,
}

/// What a request's asynchronous part needs of its connection.
#[derive(Clone)]
pub struct Context {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Index of the configured listener the client came through; decides advertised addresses.
    pub listener: usize,
    /// The client's address.
    pub peer: SocketAddr,
    gone: watch::Receiver<bool>,
    shutdown: watch::Receiver<bool>,
}

impl Context {
    /// Resolves when the client has hung up or the broker stops: long waits end then. Cancel-safe.
    pub async fn ended(&mut self) {
        tokio::select! {
            () = raised(&mut self.gone) => {}
            () = raised(&mut self.shutdown) => {}
        }
    }
}

/// One request's header, kept for its reply.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which API.
    pub key: ApiKey,
    /// Version of request and response.
    pub version: i16,
    /// Bytes of the whole frame; storage charges or copies slices of it accordingly.
    pub frame_bytes: usize,
    correlation_id: i32,
    client_id: Option<ByteString>,
}

impl Call {
    /// Encodes the reply. A response that the version cannot carry is our bug: it is logged and
    /// the connection closed rather than something invented.
    pub fn reply(&self, response: Response) -> Verdict {
        match frame::encode_response(self.correlation_id, self.key, self.version, &response) {
            Ok(chunks) => Verdict::Send(chunks),
            Err(error) => {
                error!(api = ?self.key, version = self.version, %error, "a response cannot be encoded");
                Verdict::Close
            }
        }
    }

    /// The client's name for itself, for log lines.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or("")
    }
}

impl Session {
    /// A new connection from `peer` through the listener at index `listener`.
    pub fn new(
        broker: Arc<Broker>,
        peer: SocketAddr,
        listener: usize,
        gone: watch::Receiver<bool>,
    ) -> Self {
        let shutdown = broker.shutdown.subscribe();
        Self { broker, scratch: Scratch::default(), peer, listener, gone, shutdown }
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the asynchronous part of a request may know.
    pub fn context(&self) -> Context {
        Context {
            broker: Arc::clone(&self.broker),
            listener: self.listener,
            peer: self.peer,
            gone: self.gone.clone(),
            shutdown: self.shutdown.clone(),
        }
    }

    fn refuse(&self, header: Option<&RequestHeader>, reason: &str) {
        let client = header.and_then(|header| header.client_id.as_deref()).unwrap_or("");
        self.broker.metrics.refused_frame();
        info!(peer = %self.peer, client, reason, "closing connection: request not understood");
    }
}

impl Handler for Session {
    fn handle(&mut self, frame: Frame) -> Option<Reply> {
        let frame_bytes = frame.bytes.len();
        let mut reader = Reader::new(frame.bytes);
        let header = match frame::decode_request_header(&mut reader) {
            Ok(header) => header,
            Err(error) => {
                self.refuse(None, &format!("request header: {error}"));
                return None;
            }
        };
        let Some(spec) = ApiKey::from_code(header.api_key).map(ApiKey::spec) else {
            self.refuse(Some(&header), &format!("API key {} is not served", header.api_key));
            return None;
        };
        let call = Call {
            key: spec.key,
            version: header.api_version,
            frame_bytes,
            correlation_id: header.correlation_id,
            client_id: header.client_id.clone(),
        };
        if !spec.serves(header.api_version) {
            if spec.key == ApiKey::ApiVersions {
                return Some(dispatch::unsupported_api_versions(&call));
            }
            let version = header.api_version;
            let (name, min, max) = (spec.name, spec.min, spec.max);
            self.refuse(
                Some(&header),
                &format!("{name} version {version} is not served, only {min} to {max}"),
            );
            return None;
        }
        if spec.key != ApiKey::Produce && frame_bytes > COMMAND_BYTES_MAX {
            let name = spec.name;
            let reason =
                format!("{name} of {frame_bytes} bytes is larger than {COMMAND_BYTES_MAX}");
            self.refuse(Some(&header), &reason);
            return None;
        }
        match Request::decode(spec.key, header.api_version, &mut reader) {
            Ok(request) => {
                self.broker.metrics.request(spec.key);
                Some(dispatch::dispatch(self, call, request))
            }
            Err(error) => {
                let reason = format!("{} version {}: {error}", spec.name, header.api_version);
                self.refuse(Some(&header), &reason);
                None
            }
        }
    }
}
