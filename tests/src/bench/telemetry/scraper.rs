//! What a Prometheus does to a service: it asks for `/metrics` every second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shim_redis_harness::Port;
use tokio::task::JoinHandle;

use crate::scrape::scrape;

const EVERY: Duration = Duration::from_secs(1);

/// A scraper. Dropping it ends it.
pub(super) struct Scraper {
    address: String,
    _port: Port,
    scrapes: Arc<AtomicU64>,
    running: Option<JoinHandle<()>>,
}

impl Scraper {
    /// Chooses where the service will tell its metrics.
    pub(super) fn prepare() -> Self {
        let port = Port::reserve();
        Self {
            address: format!("127.0.0.1:{}", port.number()),
            _port: port,
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
