//! What tests are called: what they pin, in a line.

use super::candidates::{Candidate, Claim};
use super::sequence::{INSTANCE, Sequence};

pub(super) const MAX_TITLE_CHARS: usize = 100;

/// Titles for tests of one function, each only once.
pub(crate) fn titles(tests: &[&Candidate]) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for test in tests {
        let plain = title(test);
        let mut unique = plain.clone();
        let mut number = 2;
        while titles.contains(&unique) {
            unique = format!("{plain} ({number})");
            number += 1;
        }
        titles.push(unique);
    }
    titles
}

fn title(test: &Candidate) -> String {
    let of = |args: &[String]| {
        if args.is_empty() {
            String::new()
        } else {
            format!(" for {}", args.join(", "))
        }
    };
    let verb = match (test.is_async, test.is_iterator) {
        (true, _) => "resolves to",
        (_, true) => "yields",
        _ => "returns",
    };
    let text = match &test.claim {
        Claim::Value { args, expected, .. } => format!("{verb} {expected}{}", of(args)),
        Claim::Throws { args, name, .. } if test.is_async => {
            format!("rejects with {name}{}", of(args))
        }
        Claim::Throws { args, name, .. } => format!("throws {name}{}", of(args)),
        Claim::Sequence(sequence) => of_sequence(sequence, of(&sequence.steps[..1])),
        Claim::Type { r#type, .. } => {
            format!("always returns a value of type {type}", type = r#type)
        }
        Claim::Integer { .. } => "always returns a whole number".to_owned(),
        Claim::NotNegative { .. } => "never returns a negative number".to_owned(),
        Claim::Within { .. } => "stays within its bounds".to_owned(),
        Claim::KeepsInput { .. } => "leaves its input as it is".to_owned(),
        Claim::Idempotent { .. } => "changes nothing more the second time".to_owned(),
        Claim::Commutes { .. } => "takes its arguments in either order".to_owned(),
        Claim::SameLength { .. } => "keeps the length".to_owned(),
        Claim::NotLonger { .. } => "never makes it longer".to_owned(),
        Claim::RoundTrip { .. } => "is taken back by its inverse".to_owned(),
    };
    if text.chars().count() <= MAX_TITLE_CHARS {
        return text;
    }
    let cut: String = text.chars().take(MAX_TITLE_CHARS - 1).collect();
    format!("{}…", cut.trim_end())
}

/// The last call first, then what it leads to, then what was called before it.
fn of_sequence(sequence: &Sequence, made: String) -> String {
    let (last, before) = match sequence.steps.as_slice() {
        [_, before @ .., last] => (last.as_str(), before),
        _ if sequence.is_made_by_call => ("the call", [].as_slice()),
        _ => ("the constructor", [].as_slice()),
    };
    let state: Vec<String> = sequence
        .state
        .iter()
        .map(|(name, text)| format!("{name} {text}"))
        .collect();
    let does = match (&sequence.throws, sequence.expected.as_str()) {
        (Some(error), _) if sequence.waits.last() == Some(&true) => {
            format!("rejects with {}", error.name)
        }
        (Some(error), _) => format!("throws {}", error.name),
        (None, "undefined") if state.is_empty() => "returns undefined".to_owned(),
        (None, "undefined") => format!("leads to {}", state.join(", ")),
        (None, INSTANCE) => "returns the instance".to_owned(),
        (None, value) if sequence.waits.last() == Some(&true) => format!("resolves to {value}"),
        (None, value) => format!("returns {value}"),
    };
    let made = if made == " for " { String::new() } else { made };
    let after = match before {
        [] => String::new(),
        before => format!(" after {}", before.join(", ")),
    };
    if sequence.is_construction() {
        return format!("{last} {does}{made}");
    }
    format!(
        "{last} {does}{after}{}",
        made.replacen(" for ", " on one made of ", 1)
    )
}
