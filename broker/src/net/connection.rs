//! One client connection: a reader that takes frames in order and a writer that sends replies
//! in the same order.
//!
//! ```text
//! socket ─► reader: size, memory permit, bytes ─► handler(frame) ─► reply future ─┐ bounded queue
//! socket ◄─ writer: await the futures in order, one vectored write per reply   ◄──┘
//! ```
//! The handler's synchronous part runs in the reader, so the order of requests is the order of
//! their effects (five pipelined produce requests stay in order); what waits, waits in the future.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info};

use super::listener::raised;
use super::sniff::stranger;
use super::{Chunks, RequestMemory};

/// Replies that may be pending on one connection before its reader stops reading.
const REPLIES_PENDING_MAX: usize = 64;
/// Read buffers shrink back to this when a connection has nothing to say.
const IDLE_BUFFER_BYTES: usize = 2 * 1024;
/// So much of a frame (or all of it) must have come before memory is reserved for the rest: a size
/// alone costs a client nothing, and must not keep memory from others.
const EVIDENCE_BYTES: usize = 16 * 1024;
/// A declared frame size is believed only this far before its bytes have arrived.
const TRUSTED_RESERVE_BYTES: usize = 1024 * 1024;
/// A frame that has begun must be there within this time and what its size takes at the slowest
/// rate, or its memory is taken back.
const FRAME_PATIENCE: Duration = Duration::from_secs(30);
/// The slowest rate at which a frame may come.
const FRAME_BYTES_PER_SECOND_MIN: usize = 64 * 1024;

/// Limits of one connection.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Largest frame accepted, in bytes, without the size prefix (`socket.request.max.bytes`).
    pub frame_bytes_max: usize,
    /// A connection that is silent for this long is closed (`connections.max.idle.ms`).
    pub idle: Duration,
    /// The budget shared by all connections.
    pub memory: RequestMemory,
}

/// A request frame without its size prefix.
#[derive(Debug)]
pub struct Frame {
    /// Header and body, as they came.
    pub bytes: Bytes,
}

/// What a reply future yields.
#[derive(Debug)]
pub enum Verdict {
    /// Chunks to send, size prefix included.
    Send(Vec<Bytes>),
    /// The request has no reply (produce with acks=0).
    Nothing,
    /// The connection ends here; the handler has logged why.
    Close,
}

/// The asynchronous part of a request.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// A reply to come.
pub struct Reply {
    /// Yields the reply.
    pub future: ReplyFuture,
    /// Whether it may wait for other clients (a long poll, a rebalance). Its memory reservation is
    /// then given back when its turn comes: thousands that wait must not keep heartbeats out.
    pub waits_for_others: bool,
}

/// Turns frames into replies. `handle` must not wait; it fixes the order of effects.
pub trait Handler: Send + 'static {
    /// Takes one frame; `None` closes the connection (the handler has logged why).
    fn handle(&mut self, frame: Frame) -> Option<Reply>;
}

struct Pending {
    reply: Reply,
    permit: OwnedSemaphorePermit,
}

/// Why the reader stopped.
#[derive(Debug)]
enum Stop {
    Eof,
    Refused(String),
    Idle,
    Handler,
    Io(io::Error),
    Shutdown,
    WriterGone,
}

/// Serves `stream` until either side ends it. `gone` is set when the client has hung up, so
/// that waiting replies (long polls) can give up.
pub(super) async fn run<H: Handler>(
    stream: TcpStream,
    mut handler: H,
    limits: ConnectionLimits,
    signals: Signals,
) {
    let peer = stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |peer| peer.to_string());
    let Signals { shutdown, gone } = signals;
    let (read_half, write_half) = stream.into_split();
    let (queue, replies) = mpsc::channel(REPLIES_PENDING_MAX);
    // In a set, so that the writer ends with this task should that be cancelled at shutdown.
    let mut writer = JoinSet::new();
    writer.spawn(write_replies(write_half, replies, limits.idle));
    let mut reader =
        Reader { socket: read_half, buffer: BytesMut::new(), limits, first: true, shutdown };
    let stop = reader.run(&mut handler, &queue).await;
    drop(queue);
    gone.send_replace(true);
    match stop {
        Stop::Refused(reason) => info!(%peer, reason, "closing connection"),
        Stop::Idle => debug!(%peer, "closing idle connection"),
        Stop::Io(error) => debug!(%peer, %error, "connection lost"),
        Stop::Eof | Stop::Handler | Stop::Shutdown | Stop::WriterGone => {
            debug!(%peer, ?stop, "connection ended");
        }
    }
    if let Some(Err(reason)) = writer.join_next().await {
        error!(%peer, %reason, "serving a request failed, its connection was closed");
    }
}

/// How a connection hears of the broker's end, and tells of its own.
pub(super) struct Signals {
    pub shutdown: watch::Receiver<bool>,
    pub gone: Arc<watch::Sender<bool>>,
}

struct Reader {
    socket: OwnedReadHalf,
    buffer: BytesMut,
    limits: ConnectionLimits,
    first: bool,
    shutdown: watch::Receiver<bool>,
}

impl Reader {
    async fn run<H: Handler>(&mut self, handler: &mut H, queue: &mpsc::Sender<Pending>) -> Stop {
        loop {
            let size = match self.frame_size(queue).await {
                Ok(size) => size,
                Err(stop) => return stop,
            };
            let (frame, permit) = match self.frame_in_time(size, queue).await {
                Ok(frame) => frame,
                Err(stop) => return stop,
            };
            let Some(reply) = handler.handle(frame) else { return Stop::Handler };
            if queue.send(Pending { reply, permit }).await.is_err() {
                return Stop::WriterGone;
            }
        }
    }

    /// Waits for the next size prefix and judges it. Cancel-safe waits only: bytes go straight
    /// into `self.buffer`.
    async fn frame_size(&mut self, queue: &mpsc::Sender<Pending>) -> Result<usize, Stop> {
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BUFFER_BYTES {
            self.buffer = BytesMut::new();
        }
        while self.buffer.len() < 4 {
            self.buffer.reserve(IDLE_BUFFER_BYTES);
            tokio::select! {
                read = tokio::time::timeout(self.limits.idle, self.socket.read_buf(&mut self.buffer)) => {
                    match read {
                        Err(_) => return Err(Stop::Idle),
                        Ok(Err(error)) => return Err(Stop::Io(error)),
                        Ok(Ok(0)) if self.buffer.is_empty() => return Err(Stop::Eof),
                        Ok(Ok(0)) => return Err(Stop::Refused("the connection ended inside a frame size".into())),
                        Ok(Ok(_)) => {}
                    }
                }
                () = raised(&mut self.shutdown) => return Err(Stop::Shutdown),
                () = queue.closed() => return Err(Stop::WriterGone),
            }
        }
        let first = [self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]];
        self.judge_size(first)
    }

    fn judge_size(&mut self, first: [u8; 4]) -> Result<usize, Stop> {
        if std::mem::take(&mut self.first)
            && let Some(stranger) = stranger(first)
        {
            return Err(Stop::Refused(stranger.advice().to_owned()));
        }
        let size = i32::from_be_bytes(first);
        match usize::try_from(size) {
            Ok(size) if size <= self.limits.frame_bytes_max => {
                self.buffer.advance(4);
                Ok(size)
            }
            _ => Err(Stop::Refused(format!(
                "frame size {size} is outside 0..={} (socket.request.max.bytes)",
                self.limits.frame_bytes_max
            ))),
        }
    }

    /// A frame and the memory it holds, unless it comes too slowly.
    async fn frame_in_time(
        &mut self,
        size: usize,
        queue: &mpsc::Sender<Pending>,
    ) -> Result<(Frame, OwnedSemaphorePermit), Stop> {
        let patience =
            FRAME_PATIENCE + Duration::from_secs((size / FRAME_BYTES_PER_SECOND_MIN) as u64);
        let deadline = tokio::time::Instant::now() + patience;
        self.fill_until(size, size.min(EVIDENCE_BYTES), deadline).await?;
        let permit = tokio::select! {
            permit = self.limits.memory.reserve(size) => permit,
            () = raised(&mut self.shutdown) => return Err(Stop::Shutdown),
            () = queue.closed() => return Err(Stop::WriterGone),
        };
        // The wait for memory was not the client's fault.
        let deadline = tokio::time::Instant::now() + patience;
        tokio::select! {
            filled = self.fill_until(size, size, deadline) => filled?,
            () = queue.closed() => return Err(Stop::WriterGone),
        }
        Ok((Frame { bytes: self.buffer.split_to(size).freeze() }, permit))
    }

    /// Reads until `wanted` bytes of a frame of `size` are in the buffer. Cancel-safe: bytes go
    /// straight into `self.buffer`.
    async fn fill_until(
        &mut self,
        size: usize,
        wanted: usize,
        deadline: tokio::time::Instant,
    ) -> Result<(), Stop> {
        while self.buffer.len() < wanted {
            let missing = size - self.buffer.len();
            self.buffer.reserve((wanted - self.buffer.len()).min(TRUSTED_RESERVE_BYTES));
            let read = self.socket.read_buf(&mut self.buffer);
            match tokio::time::timeout_at(deadline, read).await {
                Err(_) => {
                    return Err(Stop::Refused(format!(
                        "a frame of {size} bytes came too slowly, {missing} are missing"
                    )));
                }
                Ok(Err(error)) => return Err(Stop::Io(error)),
                Ok(Ok(0)) => {
                    return Err(Stop::Refused(format!(
                        "the connection ended inside a frame of {size} bytes, {missing} missing"
                    )));
                }
                Ok(Ok(_)) => {}
            }
        }
        Ok(())
    }
}

async fn write_replies(
    mut socket: OwnedWriteHalf,
    mut replies: mpsc::Receiver<Pending>,
    patience: Duration,
) {
    while let Some(Pending { reply, permit }) = replies.recv().await {
        let permit = (!reply.waits_for_others).then_some(permit);
        let chunks = match reply.future.await {
            Verdict::Send(chunks) => chunks,
            Verdict::Nothing => continue,
            Verdict::Close => return,
        };
        let mut chunks = Chunks::new(chunks);
        while chunks.has_remaining() {
            match tokio::time::timeout(patience, socket.write_buf(&mut chunks)).await {
                Ok(Ok(written)) if written > 0 => {}
                _ => return,
            }
        }
        drop(permit);
    }
}

#[cfg(test)]
mod tests;
