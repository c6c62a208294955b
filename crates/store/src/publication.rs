//! Publications on their way to listeners: shared, and bounded in bytes whatever the listeners do.
//!
//! What waits is kept as it came and read where it is heard, since a parsed envelope takes many times its size; only
//! small ones, the signals that everyone waits for, are read once for all. When too much waits, the oldest is forgotten:
//! listeners that keep up lose nothing by those that do not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Map, Value};
use shim_runtime::json_text;

/// What may wait, over all topics.
const MAX_BUFFERED_BYTES: usize = 32 << 20;
/// Envelopes up to this are read at once, and counted by what that may take: nested lists take most.
const SMALL: usize = 1_024;
const GROWTH: usize = 64;
/// What a letter takes beside its envelope, roughly.
const OVERHEAD_BYTES: usize = 256;

/// A publication, in the envelope that all of ours have.
#[derive(Debug)]
pub struct Publication {
    /// The channel, by Redis's name.
    pub channel: String,
    pub(crate) publisher: String,
    pub(crate) at_ms: i64,
    /// What is told; a publication that is no envelope has its text under `text`.
    pub data: Map<String, Value>,
}

impl Publication {
    /// Reads the envelope `{"from": ..., "at": ms, "data": {...}}`. Other programs may publish too: what is no such
    /// envelope is passed on as a text.
    fn read(channel: &str, payload: &[u8]) -> Self {
        let mended = json_text::mend(payload);
        let mut envelope: Map<String, Value> = serde_json::from_str(&mended).unwrap_or_default();
        let data = match envelope.remove("data") {
            Some(Value::Object(data)) => data,
            _ => {
                let text = String::from_utf8_lossy(payload).into_owned();
                Map::from_iter([("text".to_owned(), Value::String(text))])
            }
        };
        Self {
            channel: channel.to_owned(),
            publisher: envelope
                .get("from")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            at_ms: envelope.get("at").and_then(Value::as_i64).unwrap_or(0),
            data,
        }
    }
}

/// A publication for the listeners of a topic. It waits until the last of them dropped it.
#[derive(Debug)]
pub(super) struct BufferedPublication {
    channel: String,
    /// `None` once it is forgotten.
    content: Mutex<Option<Arc<Content>>>,
}

#[derive(Debug)]
struct Content {
    form: Payload,
    weight: usize,
    buffered_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Payload {
    Parsed(Arc<Publication>),
    Raw(Box<[u8]>),
}

impl Drop for Content {
    fn drop(&mut self) {
        self.buffered_bytes
            .fetch_sub(self.weight, Ordering::Relaxed);
    }
}

impl BufferedPublication {
    /// What it says; `None` if it was forgotten.
    pub(super) fn get(&self) -> Option<Arc<Publication>> {
        let content = self.content().clone()?;
        Some(match &content.form {
            Payload::Parsed(publication) => publication.clone(),
            Payload::Raw(payload) => Arc::new(Publication::read(&self.channel, payload)),
        })
    }

    fn evict(&self) {
        self.content().take();
    }

    fn content(&self) -> std::sync::MutexGuard<'_, Option<Arc<Content>>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits for listeners.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The oldest first; those that all have heard are gone.
    publications: VecDeque<Weak<BufferedPublication>>,
    buffered_bytes: Arc<AtomicUsize>,
    /// At so many letters, those that are gone are taken off.
    prune_at: usize,
}

impl Backlog {
    /// Takes a publication in; forgets the oldest for it if it must, or itself if it is too large.
    pub(super) fn buffer(&mut self, channel: &str, payload: &[u8]) -> Arc<BufferedPublication> {
        let (form, size) = if payload.len() <= SMALL {
            let publication = Publication::read(channel, payload);
            (
                Payload::Parsed(Arc::new(publication)),
                payload.len() * GROWTH,
            )
        } else {
            (Payload::Raw(payload.into()), payload.len())
        };
        let weight = size + channel.len() + OVERHEAD_BYTES;
        self.buffered_bytes.fetch_add(weight, Ordering::Relaxed);
        let buffered = Arc::new(BufferedPublication {
            channel: channel.to_owned(),
            content: Mutex::new(Some(Arc::new(Content {
                form,
                weight,
                buffered_bytes: self.buffered_bytes.clone(),
            }))),
        });
        self.publications.push_back(Arc::downgrade(&buffered));
        self.shrink();
        buffered
    }

    fn shrink(&mut self) {
        while self.buffered_bytes.load(Ordering::Relaxed) > MAX_BUFFERED_BYTES
            && let Some(oldest) = self.publications.pop_front()
        {
            if let Some(buffered) = oldest.upgrade() {
                buffered.evict();
            }
        }
        if self.publications.len() > self.prune_at {
            self.publications
                .retain(|buffered| buffered.strong_count() > 0);
            self.prune_at = (self.publications.len() * 2).max(1_024);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn buffered_bytes(backlog: &Backlog) -> usize {
        backlog.buffered_bytes.load(Ordering::Relaxed)
    }

    fn envelope(text: &str) -> String {
        format!(r#"{{"from":"me","at":7,"data":{{"text":"{text}"}}}}"#)
    }

    #[test]
    fn small_and_large_publications_say_what_was_published() {
        let mut backlog = Backlog::default();
        for text in ["short", &"long".repeat(SMALL)] {
            let buffered = backlog.buffer("channel", envelope(text).as_bytes());
            let publication = buffered.get().unwrap();
            assert_eq!(publication.channel, "channel");
            assert_eq!(
                (publication.publisher.as_str(), publication.at_ms),
                ("me", 7)
            );
            assert_eq!(publication.data["text"], *text);
        }
        let exact = backlog.buffer(
            "channel",
            br#"{"data":{"id":1234567890123456789,"t":"\ud82d"}}"#,
        );
        let exact = exact.get().unwrap();
        assert_eq!(exact.data["id"], "1234567890123456789");
        assert_eq!(exact.data["t"], "\u{FFFD}");
        let foreign = backlog.buffer("channel", b"not of ours");
        assert_eq!(foreign.get().unwrap().data["text"], "not of ours");
    }

    #[test]
    fn unread_publications_are_bounded_and_the_oldest_is_evicted_first() {
        let mut backlog = Backlog::default();
        let large = envelope(&"x".repeat(1 << 20));
        let small = envelope(&"x".repeat(900));
        for payload in [large, small] {
            let stalled: Vec<_> = (0..1_000)
                .map(|_| backlog.buffer("channel", payload.as_bytes()))
                .inspect(|buffered| assert!(buffered.get().is_some()))
                .collect();
            assert!(buffered_bytes(&backlog) <= MAX_BUFFERED_BYTES);
            let forgotten = stalled
                .iter()
                .take_while(|buffered| buffered.get().is_none());
            let forgotten = forgotten.count();
            assert!(forgotten > 0);
            assert!(stalled[forgotten..].iter().all(|l| l.get().is_some()));
        }
    }

    #[test]
    fn delivered_publications_take_no_memory() {
        let mut backlog = Backlog::default();
        let first = backlog.buffer("quiet", &vec![b'x'; 10_000]);
        for _ in 0..10_000 {
            drop(backlog.buffer("busy", &vec![b'x'; 10_000]));
        }
        assert!(first.get().is_some());
        assert!(backlog.publications.len() <= 1_025);
        drop(first);
        assert_eq!(buffered_bytes(&backlog), 0);
    }

    #[test]
    fn a_publication_larger_than_the_bound_is_evicted_at_once() {
        let mut backlog = Backlog::default();
        let buffered = backlog.buffer("channel", &vec![b'x'; MAX_BUFFERED_BYTES]);
        assert!(buffered.get().is_none());
        assert_eq!(buffered_bytes(&backlog), 0);
    }
}
