//! The HTTP side: one router of an index page, health, metrics, verification and the Iceberg REST
//! catalog.
//!
//! Each part is a router of its own that knows nothing of the others; this module puts them
//! together and serves them on a socket that somebody else has bound.

pub mod catalog;
pub mod health;
pub mod index;
mod limit;
pub mod metrics;
pub mod verify;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use health::Health;
use metrics::Registry;

/// How long requests may go on after the broker was asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// A request's head must be there within this time of the connection's opening, or of its last answer.
const HEAD_PATIENCE: Duration = Duration::from_secs(60);

/// Connections open at once. An engine uses a handful; more wait in the socket's backlog.
const CONNECTIONS_MAX: usize = 512;

/// Everything that is served over HTTP; `catalog` stands below `/iceberg`.
pub fn router(
    health: Arc<Health>,
    metrics: Arc<Registry>,
    verify: Router,
    catalog: Router,
) -> Router {
    Router::new()
        .route("/", get(index::index))
        .merge(health::router(health))
        .merge(metrics::router(metrics))
        .merge(verify)
        .nest("/iceberg", catalog)
        // The nested router has the address without the slash.
        .route("/iceberg/", get(catalog::welcome))
}

/// Serves `router` until `shutdown` resolves; then requests in flight get a few seconds to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut listener = limit::Limited::new(listener, CONNECTIONS_MAX);
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            (stream, _) = listener.accept() => {
                connections.spawn(connection(stream, router.clone(), stopping.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    stop.send_replace(true);
    // What has not ended by then is cancelled with the set.
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_GRACE, ended).await;
    Ok(())
}

/// One connection. A request's head must come within [`HEAD_PATIENCE`], which also bounds how long a
/// connection may be silent, so clients that dribble or forget do not keep the slots.
async fn connection(stream: limit::Slotted, router: Router, mut stopping: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // How a connection ended is the client's business: a lost one is an error here too.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::health::Phase;
    use super::*;

    async fn get_path(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn every_path_answers_and_shutdown_ends_the_server() {
        let health = Arc::new(Health::default());
        let registry = Arc::new(Registry::default());
        let catalog = Router::new().route("/v1/config", get(|| async { "catalog" }));
        let router = router(Arc::clone(&health), registry, Router::new(), catalog);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, router, async {
            let _ = stopped.await;
        }));

        assert!(get_path(address, "/health/ready").await.contains("503"));
        assert!(get_path(address, "/health/live").await.contains("200 OK"));
        health.enter(Phase::Ready);
        for (path, part) in [
            ("/", "Iceberg"),
            ("/health/ready", "ready"),
            ("/metrics", "strom_build_info"),
            ("/iceberg/v1/config", "catalog"),
            ("/iceberg/", "Iceberg REST catalog"),
        ] {
            let answer = get_path(address, path).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(part), "{answer}");
        }
        assert!(get_path(address, "/nothing").await.starts_with("HTTP/1.1 404"));
        health.enter(Phase::Failed("disk gone".to_owned()));
        health.enter(Phase::Ready);
        assert!(get_path(address, "/health/live").await.contains("disk gone"));

        // A connection that stays open without a request does not hold the end up.
        let idle = TcpStream::connect(address).await.unwrap();
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        drop(idle);
    }
}
