//! `strom verify <topic>`: asks the broker to re-read everything that it has of a topic, and reports.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use strom_protocol::Bytes;
use tokio::net::TcpStream;

use super::Failure;
use crate::http::verify::{Line, Mismatch, Totals};

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// What to verify, and where the broker is.
#[derive(Debug, Args)]
pub struct VerifyCommand {
    /// The topic's name
    pub topic: String,
    /// The broker's HTTP address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    pub http: String,
}

/// Runs the command: mismatches and totals as text, `Err` when there is a mismatch or the broker did
/// not get to the end.
pub fn run(command: &VerifyCommand) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure(format!("no runtime: {error}")))?;
    runtime.block_on(verify(command))
}

async fn verify(command: &VerifyCommand) -> Result<String, Failure> {
    let response = ask(command).await?;
    let mut lines = Lines { body: response.into_body(), rest: Vec::new() };
    let mut mismatches = Vec::new();
    loop {
        match lines.next(command).await? {
            Line::Progress(totals) => progress(&totals),
            Line::Mismatch(mismatch) => mismatches.push(mismatch),
            Line::Done(totals) => return report(&command.topic, &totals, &mismatches),
        }
    }
}

async fn ask(command: &VerifyCommand) -> Result<Response<Incoming>, Failure> {
    let address = &command.http;
    let unreachable = |reason: &dyn std::fmt::Display| {
        Failure(format!(
            "no broker can be reached at http://{address}: {reason}; start one with `strom`, or name \
             its http.address as --http host:port"
        ))
    };
    let connected = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| unreachable(&"it does not answer"))?;
    let stream = TokioIo::new(stream.map_err(|error| unreachable(&error))?);
    let (mut sender, connection) =
        http1::handshake(stream).await.map_err(|error| unreachable(&error))?;
    tokio::spawn(connection);
    let request = Request::get(format!("/topics/{}/verify", command.topic))
        .header(hyper::header::HOST, address)
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure(format!("{:?} is no topic name: {error}", command.topic)))?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let status = response.status();
    let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let told: Option<serde_json::Value> = serde_json::from_slice(&body.unwrap_or_default()).ok();
    let message = told.and_then(|told| Some(told["error"]["message"].as_str()?.to_owned()));
    let message =
        message.unwrap_or_else(|| format!("{address} answered {status}: is it a broker?"));
    Err(Failure(format!("{:?} was not verified: {message}", command.topic)))
}

/// The lines of the answer as they come.
struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    async fn next(&mut self, command: &VerifyCommand) -> Result<Line, Failure> {
        let broken = |reason: String| {
            let topic = &command.topic;
            Failure(format!("the verification of {topic:?} broke off: {reason}; run it again"))
        };
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|error| broken(error.to_string()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    self.rest.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Some(Err(error)) => return Err(broken(error.to_string())),
                None => return Err(broken("the broker closed the connection".to_owned())),
            }
        }
    }
}

/// A line that the next one overwrites, for a person who waits.
fn progress(totals: &Totals) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let (records, megabytes) = (totals.records, totals.bytes / 1_000_000);
        let _ = write!(terminal, "\r{records} records, {megabytes} MB so far");
        let _ = terminal.flush();
    }
}

fn report(topic: &str, totals: &Totals, mismatches: &[Mismatch]) -> Result<String, Failure> {
    let Totals { batches, records, segment_records, bytes, mismatches: count } = totals;
    let summary = format!(
        "{topic}: {records} records in {batches} batches ({bytes} bytes; {segment_records} records in \
         segments) verified, {count} mismatches\n"
    );
    if *count == 0 {
        return Ok(summary);
    }
    let mut text = String::new();
    for Mismatch { partition, first_offset, next_offset, place, reason } in mismatches {
        let last = next_offset - 1;
        text.push_str(&format!(
            "\n  partition {partition}, offsets {first_offset} to {last}: {reason} ({place})"
        ));
    }
    let unlisted = count.saturating_sub(mismatches.len() as u64);
    if unlisted > 0 {
        text.push_str(&format!("\n  and {unlisted} more"));
    }
    Err(Failure(format!("{}{text}", summary.trim_end())))
}
