//! The JSON that Claude Code gives the program of its status line, as an observed event.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ObservationSource, ObservedEvent, UsageMeasured};
use shim_proto::limits::MAX_PATH_BYTES;

use crate::hook_input::Surroundings;
use crate::texts::{MAX_NAME_BYTES, cut, json_of};
use crate::transcript::context_tokens;

/// Tokens, windows and lines beyond are none.
const MAX_COUNT: u64 = 1_000_000_000;
/// A conversation that cost more is none.
const MAX_COST_USD: f64 = 1_000_000.0;

/// What the status line's program was told.
#[derive(Debug, Clone, Default)]
pub struct StatusLine {
    /// The client's id of the conversation; empty if it is not told.
    pub conversation: String,
    /// The folder that the conversation works in.
    pub cwd: PathBuf,
    /// Its figures, ready to be reported; `None` if the conversation is not told.
    pub event: Option<ObservedEvent>,
}

/// Why the input cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the status line's input is no JSON object: {0}")]
pub struct ParseError(String);

/// Reads the input of a status line. A field of another type, or beyond what can be, is one that is missing.
///
/// # Errors
/// If it is no JSON object.
pub fn parse(json: &[u8], surroundings: &Surroundings) -> Result<StatusLine, ParseError> {
    let input = json_of(json).map_err(|error| ParseError(error.to_string()))?;
    if !input.is_object() {
        return Err(ParseError("it is another value".to_owned()));
    }
    let fields = Fields(&input);
    let conversation = fields.name("/session_id");
    let cwd = match fields.path("/cwd") {
        folder if folder.is_empty() => fields.path("/workspace/current_dir"),
        folder => folder,
    };
    let event = ObservedEvent {
        event_id: surroundings.event_id.to_string(),
        at: Some(surroundings.now.into()),
        conversation: conversation.clone(),
        cwd: cwd.clone(),
        transcript_path: fields.path("/transcript_path"),
        client: Some(surroundings.client_of(&conversation)),
        agent_id: String::new(),
        source: ObservationSource::StatusLine.into(),
        event: Some(Event::UsageMeasured(fields.usage())),
    };
    Ok(StatusLine {
        event: (!conversation.is_empty()).then_some(event),
        conversation,
        cwd: PathBuf::from(cwd),
    })
}

/// The fields of the input, by their JSON pointers.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn name(&self, pointer: &str) -> String {
        let text = self.at(pointer).as_str().unwrap_or_default().trim();
        let fits = text.len() <= MAX_NAME_BYTES;
        if fits { text.to_owned() } else { String::new() }
    }

    fn path(&self, pointer: &str) -> String {
        let path = self.at(pointer).as_str().unwrap_or_default();
        let fits = path.len() <= MAX_PATH_BYTES && !path.contains('\0');
        if fits { path.to_owned() } else { String::new() }
    }

    /// A count; versions write some as a fraction.
    fn count(&self, pointer: &str) -> Option<u64> {
        let count = self.number(pointer)?.round() as u64;
        (count <= MAX_COUNT).then_some(count)
    }

    fn number(&self, pointer: &str) -> Option<f64> {
        let number = self.at(pointer).as_f64()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    }

    fn span(&self, pointer: &str) -> Option<prost_types::Duration> {
        let span = Duration::from_millis(self.number(pointer)? as u64);
        prost_types::Duration::try_from(span).ok()
    }

    fn usage(&self) -> UsageMeasured {
        let is_cached = self.at("/prompt_cache/caching_observed") != &Value::Bool(false);
        let ratio = self.number("/prompt_cache/hit_ratio").filter(|_| is_cached);
        UsageMeasured {
            context_tokens: self.context_tokens(),
            context_window: self.window(),
            cost_usd: self
                .number("/cost/total_cost_usd")
                .filter(|cost| *cost <= MAX_COST_USD),
            total_duration: self.span("/cost/total_duration_ms"),
            api_duration: self.span("/cost/total_api_duration_ms"),
            lines_added: self.count("/cost/total_lines_added"),
            lines_removed: self.count("/cost/total_lines_removed"),
            cache_hit_ratio: ratio.filter(|ratio| *ratio <= 1.0),
            model: cut(&self.name("/model/id"), MAX_NAME_BYTES),
        }
    }

    fn window(&self) -> Option<u64> {
        self.count("/context_window/context_window_size")
            .filter(|window| *window > 0)
    }

    /// What the last answer's prompt had; else the share that the client shows, of a window that is known. Before the first
    /// answer, and after a compaction, neither is told.
    fn context_tokens(&self) -> Option<u64> {
        let measured = context_tokens(self.at("/context_window/current_usage"));
        let share = || {
            let percent = self.number("/context_window/used_percentage")?;
            let tokens = self.window()? as f64 * percent / 100.0;
            (percent <= 100.0 && tokens >= 1.0).then_some(tokens as u64)
        };
        measured
            .or_else(share)
            .filter(|tokens| *tokens <= MAX_COUNT)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::SystemTime;

    use proptest::prelude::*;
    use serde_json::json;
    use shim_proto::checkpoint::v1::ClientInfo;
    use uuid::Uuid;

    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            client: ClientInfo::default(),
            event_id: Uuid::nil(),
            now: SystemTime::UNIX_EPOCH,
        }
    }

    fn usage(input: &Value) -> UsageMeasured {
        let line = parse(input.to_string().as_bytes(), &surroundings()).unwrap();
        match line.event.unwrap().event {
            Some(Event::UsageMeasured(usage)) => usage,
            other => panic!("{other:?}"),
        }
    }

    fn input() -> Value {
        json!({
            "session_id": "4dbdefc2", "transcript_path": "/t/4dbdefc2.jsonl", "cwd": "/p", "prompt_id": "74e5",
            "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
            "workspace": {"current_dir": "/p", "project_dir": "/p"}, "version": "2.1.332",
            "cost": {"total_cost_usd": 0.25, "total_duration_ms": 5912, "total_api_duration_ms": 52,
                     "total_lines_added": 4, "total_lines_removed": 1},
            "context_window": {"total_input_tokens": 900_000, "total_output_tokens": 40, "context_window_size": 1_000_000,
                "current_usage": {"input_tokens": 1_200, "output_tokens": 40, "cache_creation_input_tokens": 800,
                                  "cache_read_input_tokens": 158_000}, "used_percentage": 16, "remaining_percentage": 84},
            "prompt_cache": {"caching_observed": true, "hit_ratio": 0.75}
        })
    }

    #[test]
    fn the_figures_are_read() {
        let line = parse(input().to_string().as_bytes(), &surroundings()).unwrap();
        assert_eq!(
            (line.conversation.as_str(), line.cwd.to_str()),
            ("4dbdefc2", Some("/p"))
        );
        assert_eq!(line.event.unwrap().transcript_path, "/t/4dbdefc2.jsonl");
        let usage = usage(&input());
        assert_eq!(
            (usage.context_tokens, usage.context_window),
            (Some(160_000), Some(1_000_000))
        );
        assert_eq!(
            (usage.cost_usd, usage.cache_hit_ratio),
            (Some(0.25), Some(0.75))
        );
        assert_eq!((usage.lines_added, usage.lines_removed), (Some(4), Some(1)));
        assert_eq!(usage.total_duration.unwrap().seconds, 5);
        assert_eq!(usage.model, "claude-opus-5-5");
    }

    #[test]
    fn what_is_not_told_is_unset() {
        let before = json!({"session_id": "a", "context_window": {"context_window_size": 200_000, "current_usage": null,
            "used_percentage": null}, "prompt_cache": {"caching_observed": false, "hit_ratio": 0}});
        let usage_before = usage(&before);
        assert_eq!(
            (usage_before.context_tokens, usage_before.context_window),
            (None, Some(200_000))
        );
        assert_eq!(usage_before.cache_hit_ratio, None);
        let mut share = before;
        share["context_window"]["used_percentage"] = json!(50);
        assert_eq!(usage(&share).context_tokens, Some(100_000));
        let foreign = json!({"session_id": "a", "cost": {"total_cost_usd": -1, "total_lines_added": "x"},
            "context_window": {"context_window_size": 0, "current_usage": {"input_tokens": 5_000_000_000_u64}}});
        assert_eq!(usage(&foreign), UsageMeasured::default());
    }

    #[test]
    fn without_a_conversation_there_is_no_event_and_other_json_is_refused() {
        assert!(parse(b"{}", &surroundings()).unwrap().event.is_none());
        for wrong in [&b""[..], b"[1]", b"{", b"\xff", b"null"] {
            assert!(parse(wrong, &surroundings()).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..900_usize) {
            drop(parse(&bytes, &surroundings()));
            let mut torn = input().to_string().into_bytes();
            torn.truncate(at);
            torn.extend(bytes);
            drop(parse(&torn, &surroundings()));
        }
    }
}
