//! Publications on their way to listeners: shared, and bounded in bytes whatever the listeners do.
//!
//! What waits is kept as it came and read where it is heard, since a parsed envelope takes many times its size; only
//! small ones, the signals that everyone waits for, are read once for all. When too much waits, the oldest is forgotten:
//! listeners that keep up lose nothing by those that do not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Map, Value};

/// What may wait, over all topics.
const MOST_WAITING: usize = 32 << 20;
/// Envelopes up to this are read at once, and counted by what that may take: nested lists take most.
const SMALL: usize = 1_024;
const GROWTH: usize = 64;
/// What a letter takes beside its envelope, roughly.
const LETTER_BYTES: usize = 256;

/// A publication, in the envelope that all of ours have.
#[derive(Debug)]
pub struct News {
    /// The channel, by Redis's name.
    pub channel: String,
    pub(crate) publisher: String,
    pub(crate) at_ms: i64,
    /// What is told; a publication that is no envelope has its text under `text`.
    pub data: Map<String, Value>,
}

impl News {
    /// Reads the envelope `{"from": ..., "at": ms, "data": {...}}`. Other programs may publish too: what is no such
    /// envelope is passed on as a text.
    fn read(channel: &str, payload: &[u8]) -> Self {
        let mut envelope: Map<String, Value> = serde_json::from_slice(payload).unwrap_or_default();
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
pub(super) struct Letter {
    channel: String,
    /// `None` once it is forgotten.
    content: Mutex<Option<Arc<Content>>>,
}

#[derive(Debug)]
struct Content {
    form: Form,
    weight: usize,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Form {
    Read(Arc<News>),
    AsItCame(Box<[u8]>),
}

impl Drop for Content {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

impl Letter {
    /// What it says; `None` if it was forgotten.
    pub(super) fn open(&self) -> Option<Arc<News>> {
        let content = self.content().clone()?;
        Some(match &content.form {
            Form::Read(news) => news.clone(),
            Form::AsItCame(payload) => Arc::new(News::read(&self.channel, payload)),
        })
    }

    fn forget(&self) {
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
    letters: VecDeque<Weak<Letter>>,
    waiting: Arc<AtomicUsize>,
    /// At so many letters, those that are gone are taken off.
    tidy_at: usize,
}

impl Backlog {
    /// Takes a publication in; forgets the oldest for it if it must, or itself if it is too large.
    pub(super) fn letter(&mut self, channel: &str, payload: &[u8]) -> Arc<Letter> {
        let (form, size) = if payload.len() <= SMALL {
            let news = News::read(channel, payload);
            (Form::Read(Arc::new(news)), payload.len() * GROWTH)
        } else {
            (Form::AsItCame(payload.into()), payload.len())
        };
        let weight = size + channel.len() + LETTER_BYTES;
        self.waiting.fetch_add(weight, Ordering::Relaxed);
        let letter = Arc::new(Letter {
            channel: channel.to_owned(),
            content: Mutex::new(Some(Arc::new(Content {
                form,
                weight,
                waiting: self.waiting.clone(),
            }))),
        });
        self.letters.push_back(Arc::downgrade(&letter));
        self.shrink();
        letter
    }

    fn shrink(&mut self) {
        while self.waiting.load(Ordering::Relaxed) > MOST_WAITING
            && let Some(oldest) = self.letters.pop_front()
        {
            if let Some(letter) = oldest.upgrade() {
                letter.forget();
            }
        }
        if self.letters.len() > self.tidy_at {
            self.letters.retain(|letter| letter.strong_count() > 0);
            self.tidy_at = (self.letters.len() * 2).max(1_024);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn waiting(backlog: &Backlog) -> usize {
        backlog.waiting.load(Ordering::Relaxed)
    }

    fn envelope(text: &str) -> String {
        format!(r#"{{"from":"me","at":7,"data":{{"text":"{text}"}}}}"#)
    }

    #[test]
    fn small_and_large_letters_say_what_was_published() {
        let mut backlog = Backlog::default();
        for text in ["short", &"long".repeat(SMALL)] {
            let letter = backlog.letter("channel", envelope(text).as_bytes());
            let news = letter.open().unwrap();
            assert_eq!(news.channel, "channel");
            assert_eq!((news.publisher.as_str(), news.at_ms), ("me", 7));
            assert_eq!(news.data["text"], *text);
        }
        let foreign = backlog.letter("channel", b"not of ours");
        assert_eq!(foreign.open().unwrap().data["text"], "not of ours");
    }

    #[test]
    fn what_nobody_hears_is_bounded_and_the_oldest_is_forgotten_first() {
        let mut backlog = Backlog::default();
        let large = envelope(&"x".repeat(1 << 20));
        let small = envelope(&"x".repeat(900));
        for payload in [large, small] {
            let stalled: Vec<_> = (0..1_000)
                .map(|_| backlog.letter("channel", payload.as_bytes()))
                .inspect(|letter| assert!(letter.open().is_some()))
                .collect();
            assert!(waiting(&backlog) <= MOST_WAITING);
            let forgotten = stalled.iter().take_while(|letter| letter.open().is_none());
            let forgotten = forgotten.count();
            assert!(forgotten > 0);
            assert!(stalled[forgotten..].iter().all(|l| l.open().is_some()));
        }
    }

    #[test]
    fn what_is_heard_takes_nothing() {
        let mut backlog = Backlog::default();
        let first = backlog.letter("quiet", &vec![b'x'; 10_000]);
        for _ in 0..10_000 {
            drop(backlog.letter("busy", &vec![b'x'; 10_000]));
        }
        assert!(first.open().is_some());
        assert!(backlog.letters.len() <= 1_025);
        drop(first);
        assert_eq!(waiting(&backlog), 0);
    }

    #[test]
    fn one_that_is_larger_than_all_may_be_is_forgotten_at_once() {
        let mut backlog = Backlog::default();
        let letter = backlog.letter("channel", &vec![b'x'; MOST_WAITING]);
        assert!(letter.open().is_none());
        assert_eq!(waiting(&backlog), 0);
    }
}
