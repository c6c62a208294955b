//! The id of a damaged message: told whenever one is meant beyond doubt, and never guessed, since an answer under a wrong id
//! ends another request. Pure.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::envelope::{EnvelopeScan, read_id};
use super::faults::offset;

const NAME: &[u8] = b"\"id\"";

/// The id of a message as JSON.
///
/// No text that is whole holds `"id"` with bare quotes, so each place with them is a field, however the text around it is
/// damaged. Before the damage it is known how deep a field stands; behind it, the id is the one that stands at the top as
/// far as brackets tell, or the only one that there is.
pub(super) fn told_id(message: &[u8]) -> Option<String> {
    let damage = match serde_json::from_slice::<IgnoredAny>(message) {
        Ok(_) => message.len(),
        Err(error) => offset(message, &error),
    };
    let (mut certain, mut possible) = (Vec::new(), Vec::new());
    let mut nesting = Nesting::default();
    for (at, id) in fields(message) {
        if at >= damage {
            possible.push(id);
            continue;
        }
        match nesting.at(message, at) {
            Position::Depth(1) => certain.push(id),
            // No whole text holds it: a quote or bracket before it is lost, or one too many.
            Position::InText | Position::Depth(0) => possible.push(id),
            Position::Depth(_) | Position::Escaped => {}
        }
    }
    if !certain.is_empty() {
        return only(certain);
    }
    EnvelopeScan::of(message).id().or_else(|| only(possible))
}

/// The ids, if they are all the same.
fn only(ids: Vec<String>) -> Option<String> {
    let mut ids = ids.into_iter();
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// Every `"id"` with a value that an answer can carry, and where it stands.
fn fields(message: &[u8]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = position(&message[from..], NAME) {
        let at = from + at;
        from = at + NAME.len();
        if let Some(value) = value(message, from)
            && let Some(id) = read_id(&message[value])
        {
            found.push((at, id));
        }
    }
    found
}

/// The text or the number behind a name and its colon; what the end cut off is not told.
fn value(message: &[u8], from: usize) -> Option<Range<usize>> {
    let colon = skip_spaces(message, from);
    if message.get(colon) != Some(&b':') {
        return None;
    }
    let start = skip_spaces(message, colon + 1);
    let rest = &message[start..];
    let length = if rest.first() == Some(&b'"') {
        let mut is_escaped = false;
        let end = rest.iter().skip(1).position(|byte| {
            let is_end = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            is_end
        });
        end? + 2
    } else {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",{}]\"".contains(byte);
        rest.iter().position(is_end)?
    };
    Some(start..start + length)
}

fn skip_spaces(message: &[u8], from: usize) -> usize {
    let rest = message.get(from..).unwrap_or_default();
    let spaces = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
    from + spaces.count()
}

/// How many lists and objects are open, up to a place before which the text is valid.
#[derive(Default)]
pub(super) struct Nesting {
    at: usize,
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
}

/// Where a place is.
pub(super) enum Position {
    /// Outside of texts, in so many lists and objects.
    Depth(usize),
    InText,
    /// In a text, behind a backslash.
    Escaped,
}

impl Nesting {
    /// Where a place is that is none before the last one.
    pub(super) fn at(&mut self, message: &[u8], place: usize) -> Position {
        for byte in &message[self.at..place] {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_text => self.is_escaped = true,
                b'"' => self.is_in_text = !self.is_in_text,
                b'{' | b'[' if !self.is_in_text => self.depth += 1,
                b'}' | b']' if !self.is_in_text => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self.at = place;
        match (self.is_in_text, self.is_escaped) {
            (false, _) => Position::Depth(self.depth),
            (true, false) => Position::InText,
            (true, true) => Position::Escaped,
        }
    }
}

pub(super) fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

pub(super) fn holds(text: &[u8], wanted: &[u8]) -> bool {
    position(text, wanted).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_that_is_meant_beyond_doubt_is_told() {
        for (message, expected) in [
            (r#"{"jsonrpc":"2.0" "id":8,"method":"ping"}"#, Some("8")),
            (r#"{"jsonrpc":"2.0" "id":8,"params":{"id":5}}"#, Some("8")),
            (r#"{"params":{"a":[1,2}},"id":9}"#, Some("9")),
            (r#"{"params":{"a":{"b":[1,2}},"id":9}"#, Some("9")),
            (r#"{"jsonrpc":"2.0,"method":"x","id":77}"#, Some("77")),
            (r#"{"method":"x","params":"a":[1]},"id":77}"#, Some("77")),
            (r#""jsonrpc":"2.0","id":77}"#, Some("77")),
            (r#""id":77,"jsonrpc":"2.0"}"#, Some("77")),
            (r#"{{"jsonrpc":"2.0","id":77}"#, Some("77")),
            (r#"log line {"jsonrpc":"2.0","id":77}"#, Some("77")),
            (r#"{"id":0016,"x":1}"#, Some("16")),
            (r#"{"x":NaN,"params":{"id":5},"id":"a"}"#, Some(r#""a""#)),
            (r#"{"id":7,"params":{"id":5,"x":NaN}}"#, Some("7")),
            (r#"{"params":{"id":5,"x":"no end"#, None),
            (r#"{"params":{"id":5,"x":NaN}}"#, None),
            (r#"{"x":NaN,"params":{"text":"\"id\":1"}}"#, None),
            (r#"{"id":1"#, None),
            (r#"{"id":1,"x":NaN,"y":{"id":2}}"#, Some("1")),
            (r#"{"id":1,"id":2,"x":NaN}"#, None),
            (r#"{"id":[1],"x":NaN}"#, None),
            (r#"{"a\"id":5,"x":NaN}"#, None),
            (r#"{"a\"id":5}"#, None),
            ("", None),
        ] {
            let told = told_id(message.as_bytes());
            assert_eq!(told.as_deref(), expected, "{message}");
        }
    }

    proptest! {
        /// Whatever is damaged around it: an id that is whole, and the only one, is told. Behind brackets or quotes that are
        /// damaged it may be one of an argument; then it is told or none is, never another one.
        #[test]
        fn an_id_outside_of_the_damage_is_told(
            is_first in any::<bool>(),
            at in 0_usize..200,
            removed in 0_usize..8,
            inserted in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"{}[],:\"\\'"[..])], 0..6),
        ) {
            let call = r#""jsonrpc":"2.0","method":"tools/call","params":{"name":"t","arguments":{"text":"a, id: 5 \"x\"","list":[1,{"b":[true]}]}}"#;
            let id = r#""id":77"#;
            let message = if is_first { format!("{{{id},{call}}}") } else { format!("{{{call},{id}}}") };
            let mut message = message.into_bytes();
            let whole = position(&message, id.as_bytes()).unwrap();
            // The byte behind the id ends it.
            let whole = whole..whole + id.len() + 1;
            let at = at.min(message.len());
            let end = (at + removed).min(message.len());
            prop_assume!(end <= whole.start || at >= whole.end);
            let is_structure = |byte: &u8| br#"{}[]"\"#.contains(byte);
            let is_beyond_doubt = is_first || !message[at..end].iter().chain(&inserted).any(is_structure);
            message.splice(at..end, inserted);
            let told = told_id(&message);
            if is_beyond_doubt || told.is_some() {
                prop_assert_eq!(told.as_deref(), Some("77"), "{}", String::from_utf8_lossy(&message));
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            told_id(&bytes);
        }
    }
}
