//! HTTP on a thread of its own, so that a test's paused clock does not stop it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A body that may go on for long, or break off.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, io::Error>> + Send>>;

/// What answers requests, or breaks the connection off.
pub(crate) type Handler = Arc<dyn Fn(Request<Bytes>) -> Answering + Send + Sync>;

/// Breaks all connections, listens again, and says so.
type Restart = oneshot::Sender<()>;

/// A running server. It ends, with all its connections, when dropped.
pub(crate) struct Serving {
    orders: Option<mpsc::UnboundedSender<Restart>>,
    thread: Option<JoinHandle<()>>,
    port: u16,
}

impl Serving {
    pub(crate) fn start(tls: Option<TlsAcceptor>, handler: Handler) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (orders, received) = mpsc::unbounded_channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(listener, port, tls, handler, received));
        });
        Self { orders: Some(orders), thread: Some(thread), port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) async fn restart(&self) {
        let (done, wait) = oneshot::channel();
        if let Some(orders) = &self.orders {
            let _ = orders.send(done);
        }
        let _ = wait.await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(
    listener: std::net::TcpListener,
    port: u16,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    mut orders: mpsc::UnboundedReceiver<Restart>,
) {
    let mut listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(done) => {
                    drop(listener);
                    connections.shutdown().await;
                    listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
                    let _ = done.send(());
                }
            },
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, tls.clone(), Arc::clone(&handler)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, handler: Handler) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, handler).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                speak(stream, handler).await;
            }
        }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, handler: Handler) {
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            handler(Request::from_parts(parts, body)).await
        }
    });
    // What breaks off is the client's or the test's wish.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
