//! The words of rules in an encoded message, found in one pass over its bytes: no text of it is passed over again.

use std::sync::LazyLock;

use super::candidates::{INDEX, all, candidates};
use super::index::FoundWord;
use super::rule::Rule;

/// More words are not remembered (24 bytes each): each text is then passed over by itself.
const MAX_WORDS: usize = 8 * 1024;

static RULES: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| all().collect());

/// Where the words of rules stand in a message.
pub(in crate::redact) struct MessageWords<'a> {
    message: &'a [u8],
    /// In the order of their beginnings; `None` if there are too many.
    words: Option<Vec<FoundWord>>,
}

impl<'a> MessageWords<'a> {
    /// The words of a message; `None` if it holds none, as most do.
    pub(in crate::redact) fn of(message: &'a [u8]) -> Option<Self> {
        let found = INDEX.as_ref()?.words(message);
        let mut words: Vec<_> = found.take(MAX_WORDS + 1).collect();
        if words.is_empty() {
            return None;
        }
        words.sort_unstable_by_key(|word| word.start);
        Some(Self {
            message,
            words: (words.len() <= MAX_WORDS).then_some(words),
        })
    }

    /// The rules with a say about a text that is a part of the message's bytes, in their order.
    pub(in crate::redact) fn candidates(&self, text: &str) -> Vec<&'static Rule> {
        let start = text
            .as_ptr()
            .addr()
            .checked_sub(self.message.as_ptr().addr());
        let is_within = |start: usize| start + text.len() <= self.message.len();
        let (Some(words), Some(start)) = (&self.words, start.filter(|start| is_within(*start)))
        else {
            return candidates(text.as_bytes()).collect();
        };
        let end = start + text.len();
        let first = words.partition_point(|word| word.start < start);
        let within = words[first..].iter().take_while(|word| word.start < end);
        // A word that goes on behind the text is none of it.
        let within = within.filter(|word| word.end <= end);
        let mut rules: Vec<usize> = within.map(|word| word.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules.iter().map(|rule| RULES[*rule]).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(rules: impl IntoIterator<Item = &'static Rule>) -> Vec<&'static str> {
        rules.into_iter().map(|rule| rule.name).collect()
    }

    #[test]
    fn a_part_of_a_message_has_the_rules_that_it_has_by_itself() {
        let message = "a ghp_ token\u{12}secret=x key\u{12}pass= PASSWORD: AKIA -----BEGIN sk-ant-api03- set-cookie: "
            .repeat(3);
        let words = MessageWords::of(message.as_bytes()).unwrap();
        for start in 0..message.len() {
            for end in (start..message.len()).step_by(3) {
                let part = &message[start..end];
                let by_itself = names(candidates(part.as_bytes()));
                assert_eq!(names(words.candidates(part)), by_itself, "{part}");
            }
        }
        assert!(MessageWords::of(b"nothing of interest").is_none());
    }

    #[test]
    fn a_text_of_elsewhere_and_one_of_many_words_are_passed_over_by_themselves() {
        let message = "secret ".repeat(MAX_WORDS + 1);
        let words = MessageWords::of(message.as_bytes()).unwrap();
        assert!(words.words.is_none());
        let expected = names(candidates(b"secret "));
        assert!(!expected.is_empty());
        assert_eq!(names(words.candidates(&message[..7])), expected);
        assert!(words.candidates(&message[1..4]).is_empty());
        let few = MessageWords::of(b"secret").unwrap();
        assert_eq!(names(few.candidates(&message)), expected);
    }
}
