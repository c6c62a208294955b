//! What a Prometheus does to a service: it asks for `/metrics` every second.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_secs(1);

/// A scraper. Dropping it ends it.
pub(super) struct Scraper {
    address: String,
    scrapes: Arc<AtomicU64>,
    running: Option<JoinHandle<()>>,
}

impl Scraper {
    /// Chooses where the service will tell its metrics: a port that was free a moment ago.
    pub(super) fn prepare() -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("the loopback has a free port");
        Self {
            address: address.to_string(),
            scrapes: Arc::default(),
            running: None,
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Begins to scrape the service, which runs.
    pub(super) fn begin(mut self) -> Self {
        let (address, scrapes) = (self.address.clone(), Arc::clone(&self.scrapes));
        self.running = Some(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let text = scrape(&address).await.expect("the metrics can be read");
                assert!(text.contains("shim_rpc_server_"), "{text}");
                scrapes.fetch_add(1, Ordering::Relaxed);
            }
        }));
        self
    }

    pub(super) fn scrapes(&self) -> u64 {
        self.scrapes.load(Ordering::Relaxed)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

async fn scrape(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: scraper\r\nconnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
