//! Thousands of connections that are opened and say nothing more than HTTP/2 asks of them.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::TestStack;
use super::load::{idle_latency, time_to_recover};
use super::verdict::mib;

/// The preface of RFC 9113, section 3.4, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);

/// What the crowd did.
#[derive(Debug, Default, Clone, Serialize)]
pub struct IdleConnections {
    /// Connections that were greeted and held.
    pub held: usize,
    /// Connections that were turned away.
    pub turned_away: usize,
    /// Memory before, with, and after them, in MiB.
    pub memory_mib: [f64; 3],
    /// The median save of a client among them, in milliseconds.
    pub save_p50_ms: f64,
    /// From their leaving to calm latencies; `None` if they never came.
    pub recovered_after_seconds: Option<f64>,
}

/// Both ends of all connections need a file descriptor; processes started later inherit the limit.
pub(super) fn raise_file_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

pub(super) async fn run(stack: &TestStack, connections: usize, calm: Duration) -> IdleConnections {
    let service = &stack.service;
    let before = mib(service.resident_bytes());
    let mut streams = Vec::with_capacity(connections);
    let mut turned_away = 0;
    for _ in 0..connections {
        match open_connection(&stack.address).await {
            Some(stream) => streams.push(stream),
            None => turned_away += 1,
        }
    }
    let save_p50_ms = idle_latency(service).await.as_secs_f64() * 1e3;
    let with = mib(service.resident_bytes());
    let count = streams.len();
    drop(streams);
    let recovered = time_to_recover(service, calm, RECOVERS_WITHIN).await;
    IdleConnections {
        held: count,
        turned_away,
        memory_mib: [before, with, mib(service.resident_bytes())],
        save_p50_ms,
        recovered_after_seconds: recovered.map(|after| after.as_secs_f64()),
    }
}

/// A connection whose greeting was answered.
async fn open_connection(address: &str) -> Option<TcpStream> {
    let opened = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(PREFACE).await.ok()?;
        let mut frame_header = [0; 9];
        stream.read_exact(&mut frame_header).await.ok()?;
        Some(stream)
    };
    tokio::time::timeout(ANSWERED_WITHIN, opened).await.ok()?
}
