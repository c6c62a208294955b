//! Turns of the model: its words, and whether they were the last of a turn.

use std::borrow::Cow;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{TurnEnded, TurnOutcome};

use super::record::{Record, text};
use crate::hook_input::turn_failure;
use crate::texts::{MAX_NAME_BYTES, MAX_SUMMARY_BYTES, MAX_TEXT_BYTES, cut, line_of};

/// Why the API says a message ended, when the model had no more to do.
const FINAL: [&str; 3] = ["end_turn", "stop_sequence", "refusal"];
/// Beyond, a message's further words are not kept.
const MAX_KEPT_BYTES: usize = 4 * MAX_TEXT_BYTES;

/// The message that the model gave last; its blocks come in lines of their own.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The API's id of the message, or that of the line.
    message: String,
    words: String,
    at: Timestamp,
    is_final: bool,
    has_calls: bool,
    is_told: bool,
}

/// The end of a turn.
pub(super) struct Ended {
    /// The message that it ended with.
    pub(super) message: String,
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

impl Turn {
    /// Whether a line is of another message than the last.
    pub(super) fn is_other(&self, message: &str) -> bool {
        self.message != message
    }

    /// Begins another message.
    pub(super) fn begin(&mut self, message: &str) {
        *self = Self {
            message: message.to_owned(),
            ..Self::default()
        };
    }

    /// Adds what a line has of the message.
    pub(super) fn add(
        &mut self,
        words: &[&str],
        has_calls: bool,
        stop_reason: &str,
        at: Timestamp,
    ) {
        for words in words {
            let room = MAX_KEPT_BYTES.saturating_sub(self.words.len());
            if !self.words.is_empty() && room > 0 {
                self.words.push('\n');
            }
            self.words
                .push_str(&words[..words.floor_char_boundary(room)]);
        }
        self.has_calls |= has_calls;
        self.is_final |= FINAL.contains(&stop_reason);
        self.at = at;
    }

    /// Whether the message was the last of a turn.
    pub(super) fn is_over(&self) -> bool {
        self.is_final && !self.has_calls
    }

    /// The end of the turn, if the message was its last and the end was not told yet. `by_client`: the client says that the
    /// turn is over.
    pub(super) fn end(&mut self, by_client: bool) -> Option<Ended> {
        let is_over = self.is_over() || (by_client && !self.has_calls && !self.message.is_empty());
        if !is_over || self.is_told {
            return None;
        }
        self.is_told = true;
        Some(Ended {
            message: self.message.clone(),
            at: self.at,
            event: Event::TurnEnded(TurnEnded {
                outcome: TurnOutcome::Completed.into(),
                last_answer: cut(self.words.trim(), MAX_TEXT_BYTES),
                ..TurnEnded::default()
            }),
        })
    }
}

/// The end of a turn at an error of the API, in whose place the client wrote `said`.
pub(super) fn failed(record: &Record<'_>, said: &str) -> Event {
    let kind = text(record.error).unwrap_or(Cow::Borrowed("unknown"));
    let details = text(record.error_details).unwrap_or_default();
    let outcome = turn_failure(&kind, &format!("{details}\n{said}"));
    let error = format!(
        "{}: {}",
        line_of(&kind, MAX_NAME_BYTES),
        line_of(said, MAX_SUMMARY_BYTES / 2)
    );
    Event::TurnEnded(TurnEnded {
        outcome: outcome.into(),
        error: error.trim_end_matches([':', ' ']).to_owned(),
        ..TurnEnded::default()
    })
}
