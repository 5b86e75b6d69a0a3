//! A Kafka client for the subcommands: one connection, one request at a time, blocking.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use strom_protocol::Bytes;
use strom_protocol::api::{ApiKey, Request, Response};
use strom_protocol::frame::{decode_response_header, encode_request};
use strom_protocol::wire::Reader;

use super::Failure;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// A broker answers these requests at once; creating a topic waits for its disk.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// No answer to these requests is larger: a million partitions take 30 MB.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// A connection to a broker.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    address: String,
    correlation_id: i32,
}

impl Client {
    /// Connects to `host:port`.
    pub(super) fn connect(address: &str) -> Result<Client, Failure> {
        let unreachable = |reason: &dyn std::fmt::Display| {
            Failure(format!(
                "no broker can be reached at {address}: {reason}; start one with `strom`, or name its \
                 address as --bootstrap-server host:port"
            ))
        };
        let candidates = address.to_socket_addrs().map_err(|error| unreachable(&error))?;
        let mut last = None;
        for candidate in candidates {
            match TcpStream::connect_timeout(&candidate, CONNECT_PATIENCE) {
                Ok(stream) => return Client::over(stream, address).map_err(|e| unreachable(&e)),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(error) => unreachable(&error),
            None => unreachable(&"the name has no address"),
        })
    }

    fn over(stream: TcpStream, address: &str) -> std::io::Result<Client> {
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, address: address.to_owned(), correlation_id: 0 })
    }

    /// Sends a request in the newest version that this binary serves and waits for its answer.
    pub(super) fn call(&mut self, request: impl Into<Request>) -> Result<Response, Failure> {
        let request = request.into();
        let key = request.api_key();
        self.exchange(key, &request).map_err(|reason| {
            let address = &self.address;
            Failure(format!(
                "the broker at {address} did not answer {key}: {reason}; is it a Kafka listener of Strom?"
            ))
        })
    }

    fn exchange(&mut self, key: ApiKey, request: &Request) -> Result<Response, String> {
        let version = key.spec().max;
        self.correlation_id += 1;
        let frame = encode_request(self.correlation_id, Some("strom"), version, request)
            .map_err(|error| error.to_string())?;
        self.stream.write_all(&frame).map_err(|error| error.to_string())?;
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).map_err(|error| error.to_string())?;
        let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if size > FRAME_BYTES_MAX {
            return Err(format!("its answer is not Kafka's ({size} bytes)"));
        }
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body).map_err(|error| error.to_string())?;
        let mut reader = Reader::new(Bytes::from(body));
        let id = decode_response_header(key, version, &mut reader).map_err(|e| e.to_string())?;
        if id != self.correlation_id {
            return Err(format!("it answered request {id} instead of {}", self.correlation_id));
        }
        Response::decode(key, version, &mut reader).map_err(|error| error.to_string())
    }
}
