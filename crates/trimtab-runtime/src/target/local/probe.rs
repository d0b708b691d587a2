//! Whether a replica answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One that takes longer is not ready, as with a Kubernetes probe.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a GET of the path is answered with a status from 200 to 399; without a path, whether the port takes
/// connections.
pub(super) async fn answers(address: SocketAddr, path: Option<&str>) -> bool {
    let asked = async {
        let stream = TcpStream::connect(address).await?;
        match path {
            Some(path) => status(stream, path).await.map(|status| (200..400).contains(&status)),
            None => Ok(true),
        }
    };
    matches!(timeout(PATIENCE, asked).await, Ok(Ok(true)))
}

/// The status of an answer; what comes after it is not read.
async fn status(mut stream: TcpStream, path: &str) -> io::Result<u16> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: trimtab\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // `HTTP/1.1 200`
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    let code = std::str::from_utf8(&start).ok().filter(|start| start.starts_with("HTTP/1."));
    let code = code.and_then(|start| start.get(9..)?.parse().ok());
    code.ok_or_else(|| io::Error::other("no HTTP"))
}
