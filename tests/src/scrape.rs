//! Reads the metrics and probes of a process over HTTP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Asks for the metrics at `address`: the whole answer, its head included.
///
/// # Errors
/// If no process answers there.
pub async fn scrape(address: &str) -> std::io::Result<String> {
    probe(address, "/metrics").await
}

/// Asks for `path` at `address`: the whole answer, its head included.
///
/// # Errors
/// If no process answers there.
pub async fn probe(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
