//! TCP connections: how many may be open at once, and how long one may stay silent before it speaks HTTP/2.
//!
//! What comes above the limit gets no place; a gRPC server hangs up on it, so that the caller learns of it at once. What is
//! open is not touched.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// A client sends its greeting at once.
const GREETING_WITHIN: Duration = Duration::from_secs(10);
/// The preface every HTTP/2 connection begins with (RFC 9113, 3.4); a TLS handshake and a request of HTTP/1.1 have more.
const GREETING_BYTES: usize = 24;
/// A listener out of file descriptors fails at once each time; this keeps it from spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Whoever keeps coming must not fill the log.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A listener with so many places.
#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
    turned_away: Mutex<TurnedAway>,
}

/// For whom there was no place, as far as the log has to say so.
#[derive(Debug, Default)]
struct TurnedAway {
    untold: u64,
    told_at: Option<Instant>,
}

/// Somebody who came.
#[derive(Debug)]
pub enum Arrival {
    /// There was a place.
    In(Connection, SocketAddr),
    /// There was none; the log has it.
    Full(TcpStream),
}

impl Connections {
    /// At most `limit` connections at once.
    #[must_use]
    pub fn new(listener: TcpListener, limit: usize) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(limit)),
            turned_away: Mutex::default(),
        }
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// If accepting failed, after a pause: the next attempt may succeed.
    pub async fn next(&self) -> io::Result<Arrival> {
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                return Err(error);
            }
        };
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Arrival::In(Connection::open(stream, place)?, peer)),
            Err(_) => {
                self.tell_of(peer);
                Ok(Arrival::Full(stream))
            }
        }
    }

    fn tell_of(&self, peer: SocketAddr) {
        let turned_away = self.turned_away.lock();
        let mut turned_away = turned_away.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = turned_away.one_more(Instant::now()) {
            tracing::warn!(count, last = %peer, "too many connections are open (limits.connections); more were turned away");
        }
    }
}

impl TurnedAway {
    /// How many are to be told of now, with this one.
    fn one_more(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let is_early = self.told_at.is_some_and(|told| now < told + TELL_EVERY);
        if is_early {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The connections of `listener`, at most `limit` of them at once.
pub(super) fn accept(
    listener: TcpListener,
    limit: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    let connections = Connections::new(listener, limit);
    futures::stream::unfold(connections, async |connections| {
        let accepted = next_in(&connections).await;
        Some((accepted, connections))
    })
}

async fn next_in(connections: &Connections) -> io::Result<Connection> {
    loop {
        if let Arrival::In(connection, _) = connections.next().await? {
            return Ok(connection);
        }
    }
}

/// An open connection, which frees its place when it is dropped. Reading from it fails if it stays silent from the start.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Until enough was read.
    greeting: Option<Greeting>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Greeting {
    seen: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    fn open(stream: TcpStream, place: OwnedSemaphorePermit) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            greeting: Some(Greeting {
                seen: 0,
                deadline: Box::pin(tokio::time::sleep(GREETING_WITHIN)),
            }),
            _place: place,
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
        let Some(greeting) = &mut this.greeting else {
            return read;
        };
        greeting.seen += buffer.filled().len() - before;
        if greeting.seen >= GREETING_BYTES {
            this.greeting = None;
        } else if read.is_pending() && greeting.deadline.as_mut().poll(cx).is_ready() {
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
    fn those_turned_away_are_told_of_once_a_second_with_their_count() {
        let mut turned_away = TurnedAway::default();
        let began = Instant::now();
        assert_eq!(turned_away.one_more(began), Some(1));
        for _ in 0..1000 {
            assert_eq!(turned_away.one_more(began + TELL_EVERY / 2), None);
        }
        assert_eq!(turned_away.one_more(began + TELL_EVERY), Some(1001));
        assert_eq!(turned_away.one_more(began + TELL_EVERY), None);
        assert_eq!(turned_away.one_more(began + TELL_EVERY * 3), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_greet_is_given_up_and_one_that_did_is_not() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = Box::pin(accept(listener, 2));
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut silent = connections.next().await.unwrap().unwrap();
        client.write_all(&[0; GREETING_BYTES - 1]).await.unwrap();
        let mut read = [0; 64];
        let mut got = 0;
        let error = loop {
            match silent.read(&mut read).await {
                Ok(bytes) => got += bytes,
                Err(error) => break error,
            }
        };
        assert_eq!(got, GREETING_BYTES - 1);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let mut client = TcpStream::connect(address).await.unwrap();
        let mut greeted = connections.next().await.unwrap().unwrap();
        client.write_all(&[0; GREETING_BYTES]).await.unwrap();
        greeted
            .read_exact(&mut read[..GREETING_BYTES])
            .await
            .unwrap();
        let more = tokio::time::timeout(GREETING_WITHIN * 3, greeted.read(&mut read));
        assert!(more.await.is_err(), "a quiet connection was closed");
    }
}
