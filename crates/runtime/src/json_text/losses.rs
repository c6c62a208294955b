//! What a reader of JSON would lose or change without a word: numbers that a double does not hold, and all but the last
//! of the fields that share a name. Found in the text, with their places.

use std::borrow::Cow;
use std::collections::HashSet;

use super::numbers::is_inexact;
use super::walk::{Element, Walker};

/// More than so many are not listed.
const MAX_LISTED: usize = 64;
/// A number is shown up to so many characters.
const SHOWN_BYTES: usize = 60;

/// A loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Its place, for example `payload.ids[0]`; empty if it is the whole text.
    pub place: String,
    /// What would be lost.
    pub kind: LossKind,
}

/// What would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossKind {
    /// A number, as it was written, cut after 60 bytes.
    Number(String),
    /// All but the last of the values under one name.
    Repeated,
}

impl Loss {
    /// The rule that it breaks where free-form data is taken, to stand behind its place.
    #[must_use]
    pub fn rule(&self) -> String {
        match &self.kind {
            LossKind::Number(number) => number_rule(number),
            LossKind::Repeated => "is given twice; give each name once".to_owned(),
        }
    }
}

/// The rule that a number breaks which free-form data does not take.
#[must_use]
pub fn number_rule(number: &str) -> String {
    let double: f64 = number.parse().unwrap_or(f64::INFINITY);
    let why = if double == 0.0 {
        "which is so close to 0 that it would come back as 0"
    } else if double.is_infinite() {
        "which is beyond the greatest number that there is here (1.8e308)"
    } else if double.abs() >= crate::doubles::FIRST_INEXACT {
        "and numbers from 2^53 (9007199254740992) on may come back changed"
    } else {
        "which has more digits than a number keeps (17) and would come back changed"
    };
    format!("is {number}, {why}; send it as text, in quotes")
}

/// The first loss of a JSON text.
#[must_use]
pub fn first_loss(text: &[u8]) -> Option<Loss> {
    find(text, 1).pop()
}

/// The losses of a JSON text, 64 at most.
#[must_use]
pub fn losses(text: &[u8]) -> Vec<Loss> {
    find(text, MAX_LISTED)
}

fn find(text: &[u8], max: usize) -> Vec<Loss> {
    let (mut walker, mut found) = (Walker::new(text), Vec::new());
    // The names of each object that is open; a list has none.
    let mut names: Vec<HashSet<Cow<'_, [u8]>>> = Vec::new();
    while found.len() < max
        && let Some(element) = walker.next()
    {
        let kind = match element {
            Element::Begin => {
                names.push(HashSet::new());
                continue;
            }
            Element::End => {
                names.pop();
                continue;
            }
            Element::Name(name) => {
                let open = names.last_mut();
                if open.is_none_or(|open| open.insert(read_name(&text[name]))) {
                    continue;
                }
                LossKind::Repeated
            }
            Element::Bare(bare) if is_inexact(&text[bare.clone()]) => {
                let shown = &text[bare.start..bare.end.min(bare.start + SHOWN_BYTES)];
                LossKind::Number(String::from_utf8_lossy(shown).into_owned())
            }
            Element::Bare(_) | Element::Other => continue,
        };
        let place = walker.path();
        if found.iter().all(|loss: &Loss| loss.place != place) {
            found.push(Loss { place, kind });
        }
    }
    found
}

/// A name as it is meant: `\u0061` is `a`.
fn read_name(written: &[u8]) -> Cow<'_, [u8]> {
    if !written.contains(&b'\\') {
        return Cow::Borrowed(written);
    }
    let quoted = [b"\"", written, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(name) => Cow::Owned(name.into_bytes()),
        Err(_) => Cow::Borrowed(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        losses(text.as_bytes())
            .into_iter()
            .map(|loss| loss.place)
            .collect()
    }

    #[test]
    fn numbers_and_repeated_names_are_found_with_their_places() {
        for (text, expected) in [
            (
                r#"{"a":"9007199254740993","b":[1,{"c":9007199254740993}],"d":1e999}"#,
                vec!["b[1].c", "d"],
            ),
            (r#"{"a":1,"b":2,"a":3}"#, vec!["a"]),
            (r#"{"a":1,"\u0061":3}"#, vec![r"\u0061"]),
            (r#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}"#, vec![]),
            (r#"{"a":[{"x":1,"x":1}]}"#, vec!["a[0].x"]),
            (r#"{"a":1,"a":2,"a":3}"#, vec!["a"]),
            (r#"{"a":"b","b":"a"}"#, vec![]),
            ("12345678901234567890", vec![""]),
            (r#"{"a":1,"A":2}"#, vec![]),
            ("", vec![]),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
        assert_eq!(
            first_loss(br#"{"a":1,"a":1e999}"#).map(|loss| loss.kind),
            Some(LossKind::Repeated)
        );
    }

    #[test]
    fn a_rule_says_what_was_given_and_why_it_cannot_be_kept() {
        for (number, why) in [
            ("9007199254740993", "from 2^53"),
            ("1e999", "beyond the greatest number"),
            ("1e-400", "so close to 0"),
            ("0.1234567890123456789", "more digits"),
        ] {
            let rule = number_rule(number);
            assert!(
                rule.starts_with(&format!("is {number}, ")) && rule.contains(why),
                "{rule}"
            );
            assert_eq!(rule.contains("2^53"), why.contains("2^53"), "{rule}");
        }
    }

    #[test]
    fn no_text_is_too_strange() {
        for text in ["{\"a", "]]}}{\"a\":1,\"a\"", "{\"\\", "[\"a\",\"a\"]"] {
            let _ = losses(text.as_bytes());
        }
    }
}
