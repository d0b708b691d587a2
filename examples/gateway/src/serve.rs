//! Connections of clients: taken in, and given up when their clients do nothing for too long.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tracing::{debug, warn};

use crate::config::seconds;
use crate::gateway::Gateway;

/// What can't be accepted now, as when there are no more files to open, is waited for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves clients until `end` comes, and those that have begun to their end.
///
/// A client has [`RequestConfig::client_seconds`](crate::config::RequestConfig::client_seconds) for the head of a request and for
/// taking what waits to be sent; so nobody holds a connection, or a slot of a replica, by doing nothing.
pub async fn serve(listener: TcpListener, gateway: &Arc<Gateway>, end: impl Future<Output = ()>) {
    let patience = seconds(gateway.requests.client_seconds);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let connections = GracefulShutdown::new();
    let router = gateway.router();
    let mut end = pin!(end);
    loop {
        let stream = tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => match accepted.and_then(|(stream, _)| quick(stream)) {
                Ok(stream) => stream,
                Err(error) => {
                    warn!(%error, "a connection can't be taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(patience));
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// Tokens are not kept to be sent together.
fn quick(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
