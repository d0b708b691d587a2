//! A server that does what servers should not.
#![expect(dead_code, reason = "each test uses the part that it needs")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answers this, with a length.
    Answer { status: &'static str, kind: &'static str, body: String },
    /// Announces more than it sends, and closes.
    Truncated { body: String, announced: usize },
    /// Sends without end.
    Endless,
    /// Announces a size beyond all measure.
    Gigantic,
    /// A byte at a time.
    Drip(String),
    /// Takes the request and says nothing.
    Silent,
    /// Points elsewhere.
    Redirect(String),
    /// Cuts the connection.
    Reset,
    /// Answers what is not HTTP.
    Babble,
}

impl Fault {
    pub(crate) fn json(body: &str) -> Self {
        Self::Answer { status: "200 OK", kind: "application/json", body: body.into() }
    }

    pub(crate) fn page(body: &str) -> Self {
        let kind = "text/plain; version=0.0.4";
        Self::Answer { status: "200 OK", kind, body: body.into() }
    }

    pub(crate) fn protobuf() -> Self {
        let kind = "application/vnd.google.protobuf; encoding=delimited";
        Self::Answer { status: "200 OK", kind, body: "\n\u{1}x".into() }
    }

    pub(crate) fn status(status: &'static str) -> Self {
        Self::Answer { status, kind: "text/html", body: "<html>no</html>".into() }
    }
}

/// A server that goes through faults, one a request; the last one stays.
pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Faulty {
    pub(crate) async fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let faults: Arc<Vec<Fault>> = Arc::new(faults.into_iter().collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (faults, count) = (Arc::clone(&faults), Arc::clone(&count));
                tokio::spawn(async move {
                    let _gone = serve(stream, &faults, &count).await;
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    faults: &[Fault],
    count: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let index = count.fetch_add(1, Ordering::Relaxed).min(faults.len() - 1);
    let head = |length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    match &faults[index] {
        Fault::Answer { status, kind, body } => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Fault::Truncated { body, announced } => {
            stream.write_all(head(*announced).as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Fault::Endless => {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            // More than anybody takes, and an end all the same.
            for _ in 0..100_000 {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        Fault::Gigantic => {
            stream.write_all(head(1 << 50).as_bytes()).await?;
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        Fault::Drip(body) => {
            stream.write_all(head(body.len()).as_bytes()).await?;
            for byte in body.bytes() {
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Fault::Silent => tokio::time::sleep(Duration::from_secs(30)).await,
        Fault::Redirect(to) => {
            let head = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
        }
        Fault::Reset => {
            stream.set_zero_linger()?;
            return Ok(());
        }
        Fault::Babble => stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await?,
    }
    stream.shutdown().await
}
