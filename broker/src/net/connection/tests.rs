//! A connection over a loopback socket, with a handler that answers by script.

use std::sync::Mutex;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// Echoes a frame behind its size; `wait…` waits for the gate, `none` has no reply, `end` refuses.
struct Script {
    gate: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

impl Handler for Script {
    fn handle(&mut self, frame: Frame) -> Option<Reply> {
        let gate = frame.bytes.starts_with(b"wait").then(|| self.gate.lock().unwrap().take());
        if frame.bytes.as_ref() == b"end" {
            return None;
        }
        let future = async move {
            if let Some(gate) = gate.flatten() {
                let _ = gate.await;
            }
            if frame.bytes.as_ref() == b"none" {
                return Verdict::Nothing;
            }
            let size = u32::try_from(frame.bytes.len()).unwrap().to_be_bytes();
            Verdict::Send(vec![Bytes::copy_from_slice(&size), frame.bytes])
        };
        Some(Reply { future: Box::pin(future), waits_for_others: true })
    }
}

struct Wired {
    client: TcpStream,
    gate: Option<oneshot::Sender<()>>,
    gone: watch::Receiver<bool>,
    shutdown: watch::Sender<bool>,
    memory: RequestMemory,
    served: JoinHandle<()>,
}

async fn wire(idle: Duration) -> Wired {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let (open, gate) = oneshot::channel();
    let (gone, gone_seen) = watch::channel(false);
    let (shutdown, shutdown_seen) = watch::channel(false);
    let memory = RequestMemory::new(1024 * 1024);
    let limits = ConnectionLimits { frame_bytes_max: 1000, idle, memory: memory.clone() };
    let handler = Script { gate: Arc::new(Mutex::new(Some(gate))) };
    let signals = Signals { shutdown: shutdown_seen, gone: Arc::new(gone) };
    let served = tokio::spawn(run(stream, handler, limits, signals));
    Wired { client, gate: Some(open), gone: gone_seen, shutdown, memory, served }
}

fn frames(bodies: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body.as_bytes());
    }
    bytes
}

const LONG: Duration = Duration::from_secs(600);

async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn replies_leave_in_the_order_of_requests_also_after_a_half_close() {
    let mut wired = wire(LONG).await;
    wired.client.write_all(&frames(&["wait", "none", "b", "c"])).await.unwrap();
    wired.client.shutdown().await.unwrap();
    raised(&mut wired.gone).await;
    wired.gate.take().unwrap().send(()).unwrap();
    assert_eq!(rest(&mut wired.client).await, frames(&["wait", "b", "c"]));
    wired.served.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_a_frame_closes_the_connection() {
    for bytes in [&[0x80, 0, 0, 0][..], &[0, 0, 4, 0], b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 2]]
    {
        let mut wired = wire(LONG).await;
        wired.client.write_all(bytes).await.unwrap();
        // Unread bytes may turn the close into a reset; either way nothing was answered.
        let mut answer = Vec::new();
        let _ = wired.client.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{bytes:?} was answered with {answer:?}");
        wired.served.await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_request_ends_the_connection_after_the_replies_before_it() {
    let mut wired = wire(LONG).await;
    wired.client.write_all(&frames(&["a", "end"])).await.unwrap();
    assert_eq!(rest(&mut wired.client).await, frames(&["a"]));
    wired.served.await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_an_idle_connection_and_one_that_waits_for_memory() {
    let mut wired = wire(LONG).await;
    wired.shutdown.send_replace(true);
    assert!(rest(&mut wired.client).await.is_empty());
    wired.served.await.unwrap();

    let mut wired = wire(LONG).await;
    let all = wired.memory.reserve_everything().await;
    wired.client.write_all(&frames(&["a"])).await.unwrap();
    wired.shutdown.send_replace(true);
    wired.served.await.unwrap();
    drop(all);
}

#[tokio::test]
async fn a_silent_connection_is_closed_in_time() {
    let mut wired = wire(Duration::from_millis(1)).await;
    assert!(rest(&mut wired.client).await.is_empty());
    wired.served.await.unwrap();
}

#[tokio::test]
async fn a_reply_that_waits_for_others_gives_its_memory_back() {
    let mut wired = wire(LONG).await;
    let free = wired.memory.small_free();
    wired.client.write_all(&frames(&["wait", "a"])).await.unwrap();
    // The first waits without a reservation; the second holds one until its turn has come.
    while wired.memory.small_free() != free - 1 {
        tokio::task::yield_now().await;
    }
    wired.gate.take().unwrap().send(()).unwrap();
    wired.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut wired.client).await, frames(&["wait", "a"]));
    assert_eq!(wired.memory.small_free(), free);
}
