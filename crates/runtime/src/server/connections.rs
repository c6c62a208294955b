//! TCP connections: how many may be open at once, and how long one may stay silent before it speaks HTTP/2.
//!
//! A gRPC server closes a connection above the limit at once, so that its client learns of it. Open connections are not
//! touched.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::sync;

/// A client sends its greeting at once.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
/// The preface every HTTP/2 connection begins with (RFC 9113, 3.4); a TLS handshake and a request of HTTP/1.1 have more.
const PREFACE_BYTES: usize = 24;
/// A listener out of file descriptors fails at once each time; this keeps it from spinning.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Rejected connections must not fill the log.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A listener with a limit on open connections.
#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    rejected: Mutex<RejectedConnections>,
}

/// The connections rejected since the last line in the log.
#[derive(Debug, Default)]
struct RejectedConnections {
    unreported: u64,
    reported_at: Option<Instant>,
}

/// An accepted connection.
#[derive(Debug)]
pub enum AcceptOutcome {
    /// It is below the limit.
    Accepted(Connection, SocketAddr),
    /// There was none; the log has it.
    AtLimit(TcpStream),
}

impl Connections {
    /// At most `limit` connections at once.
    #[must_use]
    pub fn new(listener: TcpListener, limit: usize) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(limit)),
            rejected: Mutex::default(),
        }
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// If accepting failed, after a pause: the next attempt may succeed.
    pub async fn next(&self) -> io::Result<AcceptOutcome> {
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                return Err(error);
            }
        };
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Ok(AcceptOutcome::Accepted(
                Connection::open(stream, permit)?,
                peer,
            )),
            Err(_) => {
                self.report_rejected(peer);
                Ok(AcceptOutcome::AtLimit(stream))
            }
        }
    }

    fn report_rejected(&self, peer: SocketAddr) {
        let mut rejected = sync::lock(&self.rejected);
        if let Some(count) = rejected.record(Instant::now()) {
            tracing::warn!(count, last = %peer, "too many connections are open (limits.connections); more were turned away");
        }
    }
}

impl RejectedConnections {
    /// The number to log now, with this one; `None` if a line was written a moment ago.
    fn record(&mut self, now: Instant) -> Option<u64> {
        self.unreported += 1;
        let is_early = self
            .reported_at
            .is_some_and(|reported| now < reported + REPORT_INTERVAL);
        if is_early {
            return None;
        }
        self.reported_at = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

/// The connections of `listener`, at most `limit` of them at once.
pub(super) fn accept(
    listener: TcpListener,
    limit: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    let connections = Connections::new(listener, limit);
    futures::stream::unfold(connections, async |connections| {
        let accepted = next_accepted(&connections).await;
        Some((accepted, connections))
    })
}

async fn next_accepted(connections: &Connections) -> io::Result<Connection> {
    loop {
        if let AcceptOutcome::Accepted(connection, _) = connections.next().await? {
            return Ok(connection);
        }
    }
}

/// An open connection, which frees its slot when it is dropped. Reading from it fails if it stays silent from the start.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Until enough was read.
    preface: Option<Preface>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Preface {
    seen: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    fn open(stream: TcpStream, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            preface: Some(Preface {
                seen: 0,
                deadline: Box::pin(tokio::time::sleep(PREFACE_TIMEOUT)),
            }),
            _permit: permit,
        })
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let Some(preface) = &mut this.preface else {
            return read;
        };
        preface.seen += buffer.filled().len() - before;
        if preface.seen >= PREFACE_BYTES {
            this.preface = None;
        } else if read.is_pending() && preface.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_a_closed_one_makes_room() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = Box::pin(accept(listener, 1));
        let _first_client = TcpStream::connect(address).await.unwrap();
        let first = connections.next().await.unwrap().unwrap();

        let mut second_client = TcpStream::connect(address).await.unwrap();
        let refused = async {
            let mut answer = Vec::new();
            // Closed: an end or a reset, as the kernel likes.
            second_client.read_to_end(&mut answer).await.unwrap_or(0)
        };
        let read = tokio::select! {
            read = refused => read,
            _ = connections.next() => panic!("a connection above the limit came in"),
        };
        assert_eq!(read, 0);

        drop(first);
        let _third_client = TcpStream::connect(address).await.unwrap();
        connections.next().await.unwrap().unwrap();
    }

    #[test]
    fn rejected_connections_are_logged_once_a_second_with_their_count() {
        let mut rejected = RejectedConnections::default();
        let began = Instant::now();
        assert_eq!(rejected.record(began), Some(1));
        for _ in 0..1000 {
            assert_eq!(rejected.record(began + REPORT_INTERVAL / 2), None);
        }
        assert_eq!(rejected.record(began + REPORT_INTERVAL), Some(1001));
        assert_eq!(rejected.record(began + REPORT_INTERVAL), None);
        assert_eq!(rejected.record(began + REPORT_INTERVAL * 3), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_preface_times_out_and_one_that_sent_it_does_not() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = Box::pin(accept(listener, 2));
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut silent = connections.next().await.unwrap().unwrap();
        client.write_all(&[0; PREFACE_BYTES - 1]).await.unwrap();
        let mut read = [0; 64];
        let mut got = 0;
        let error = loop {
            match silent.read(&mut read).await {
                Ok(bytes) => got += bytes,
                Err(error) => break error,
            }
        };
        assert_eq!(got, PREFACE_BYTES - 1);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let mut client = TcpStream::connect(address).await.unwrap();
        let mut established = connections.next().await.unwrap().unwrap();
        client.write_all(&[0; PREFACE_BYTES]).await.unwrap();
        established
            .read_exact(&mut read[..PREFACE_BYTES])
            .await
            .unwrap();
        let more = tokio::time::timeout(PREFACE_TIMEOUT * 3, established.read(&mut read));
        assert!(more.await.is_err(), "a quiet connection was closed");
    }
}
