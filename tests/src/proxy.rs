//! A TCP link that can be cut and made slow, to stand between a service and its Redis.
//!
//! It behaves like a network, not like a peer: a cut loses nothing that TCP would send again. Bytes wait, in both
//! directions, and arrive when the link is healed; new connections wait too. So a command whose sender gave it up
//! long ago may still reach Redis.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Chunks on their way in one direction of one connection; more wait in the sender's socket.
const IN_FLIGHT: usize = 256;
const CHUNK_BYTES: usize = 16 * 1024;

/// How the link is now.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    is_cut: bool,
    delay: Duration,
}

/// The link. Dropping it breaks all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<Link>,
    acceptor: JoinHandle<()>,
}

impl Proxy {
    /// A fast, whole link to `target`, which is host and port.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("there is a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (link, state) = watch::channel(Link::default());
        let acceptor = tokio::spawn(accept(listener, target.to_owned(), state));
        Self {
            address,
            link,
            acceptor,
        }
    }

    /// Host and port to connect to instead of the target's.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A plain Redis URL through the link.
    #[must_use]
    pub fn redis_url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Nothing passes any more.
    pub fn cut(&self) {
        self.link.send_modify(|link| link.is_cut = true);
    }

    /// All that waited passes, and what comes after it.
    pub fn heal(&self) {
        self.link.send_modify(|link| link.is_cut = false);
    }

    /// Every round trip takes so much longer from now on; throughput stays.
    pub fn delay(&self, delay: Duration) {
        self.link.send_modify(|link| link.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, target: String, link: watch::Receiver<Link>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, target.clone(), link.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, target: String, mut link: watch::Receiver<Link>) {
    wait_until_healed(&mut link).await;
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    // The way there is slow, the way back is not: together a slow round trip.
    let there = forward(from_client, to_server, link.clone(), |link| link.delay);
    let back = forward(from_server, to_client, link, |_| Duration::ZERO);
    tokio::join!(there, back);
}

/// Carries bytes one way until a side hangs up. Chunks are delayed side by side, not one after the other.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<Link>,
    delay: impl Fn(&Link) -> Duration,
) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Bytes)>(IN_FLIGHT);
    let state = link.clone();
    let read = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delay(&state.borrow());
            let chunk = Bytes::copy_from_slice(&buffer[..length]);
            if sender.send((due, chunk)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            wait_until_healed(&mut link).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        wait_until_healed(&mut link).await;
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// Waits until the link is not cut.
async fn wait_until_healed(link: &mut watch::Receiver<Link>) {
    // An error means that the proxy is gone, and this task with it.
    let _ = link.wait_for(|link| !link.is_cut).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    /// A server that sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn round_trip(stream: &mut TcpStream, word: &[u8; 4]) {
        stream.write_all(word).await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, word);
    }

    #[tokio::test]
    async fn a_cut_holds_everything_back_and_loses_nothing() {
        let proxy = Proxy::to(&echo().await).await;
        let mut old = TcpStream::connect(proxy.address()).await.unwrap();
        round_trip(&mut old, b"ping").await;
        proxy.cut();
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        for stream in [&mut old, &mut new] {
            let silent = tokio::time::timeout(SOON, round_trip(stream, b"held"));
            silent.await.expect_err("nothing passes");
        }
        proxy.heal();
        for stream in [&mut old, &mut new] {
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"held");
            round_trip(stream, b"ping").await;
        }
    }

    #[tokio::test]
    async fn a_delay_slows_round_trips_side_by_side() {
        let proxy = Proxy::to(&echo().await).await;
        proxy.delay(SOON);
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(TcpStream::connect(proxy.address()).await.unwrap());
        }
        let start = Instant::now();
        let mut trips = JoinSet::new();
        for mut stream in streams {
            trips.spawn(async move { round_trip(&mut stream, b"slow").await });
        }
        trips.join_all().await;
        assert!(start.elapsed() >= SOON && start.elapsed() < 3 * SOON);
    }

    #[tokio::test]
    async fn a_hang_up_passes() {
        let proxy = Proxy::to(&echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        round_trip(&mut stream, b"last").await;
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
