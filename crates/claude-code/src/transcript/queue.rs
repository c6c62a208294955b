//! Prompts that wait while the model works: a person may type on, and the client tells of ends of background tasks.
//!
//! A prompt that is taken gets a line of its own afterwards; one that is still waiting when the client dies has none.

use prost_types::Timestamp;

/// More than a person types ahead.
const MAX_WAITING: usize = 200;

/// A prompt that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub(super) text: String,
    pub(super) at: Timestamp,
    /// The prompt in hand when it was given.
    pub(super) prompt_id: String,
}

/// The prompts that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    /// Taken, while its own line did not come yet.
    taken: Option<Waiting>,
}

impl Queue {
    /// Follows an operation on the queue; `prompt` is what it is about.
    pub(super) fn follow(&mut self, operation: &str, prompt: Waiting) {
        match operation {
            "enqueue" if !prompt.text.trim().is_empty() => {
                if self.waiting.len() == MAX_WAITING {
                    self.waiting.remove(0);
                }
                self.waiting.push(prompt);
            }
            "dequeue" if !self.waiting.is_empty() => self.taken = Some(self.waiting.remove(0)),
            "remove" => self.told(&prompt.text),
            "popAll" => self.waiting.clear(),
            _ => {}
        }
    }

    /// A prompt has a line of its own, or was taken back.
    pub(super) fn told(&mut self, text: &str) {
        let is_it = |waiting: &Waiting| waiting.text.trim() == text.trim();
        if let Some(at) = self.waiting.iter().position(is_it) {
            self.waiting.remove(at);
        }
    }

    /// A prompt's own line came.
    pub(super) fn began(&mut self) {
        self.taken = None;
    }

    /// The prompts that no line tells of.
    pub(super) fn rest(self) -> impl Iterator<Item = Waiting> {
        self.taken.into_iter().chain(self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(operations: &[(&str, &str)]) -> Vec<String> {
        let mut queue = Queue::default();
        for (operation, text) in operations {
            let waiting = Waiting {
                text: (*text).to_owned(),
                at: Timestamp::default(),
                prompt_id: String::new(),
            };
            match *operation {
                "line" => queue.began(),
                operation => queue.follow(operation, waiting),
            }
        }
        queue.rest().map(|waiting| waiting.text).collect()
    }

    #[test]
    fn only_prompts_without_a_line_are_left() {
        assert!(rest(&[("enqueue", "a"), ("dequeue", ""), ("line", "")]).is_empty());
        assert_eq!(rest(&[("enqueue", "a"), ("dequeue", "")]), ["a"]);
        assert_eq!(
            rest(&[("enqueue", "a"), ("enqueue", "b"), ("remove", "a")]),
            ["b"]
        );
        assert!(rest(&[("enqueue", "a"), ("popAll", "")]).is_empty());
        assert!(rest(&[("dequeue", ""), ("remove", "x"), ("enqueue", " ")]).is_empty());
    }
}
