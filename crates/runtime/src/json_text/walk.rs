//! A walk over the elements of a JSON text that knows where it is. Damage in the text ends a token, never the walk.

use std::ops::Range;

/// Deeper, no reader of JSON follows.
const MAX_STEPS: usize = 200;
/// A name in a place is shown up to so many bytes, and a place up to so many.
const SHOWN_NAME_BYTES: usize = 60;
const SHOWN_PLACE_BYTES: usize = 300;

/// The place of a byte, for example `params.arguments.steps[2]`; empty outside of everything.
#[must_use]
pub fn place(text: &[u8], offset: usize) -> String {
    let mut walker = Walker::new(text);
    while walker.at < offset && walker.next().is_some() {}
    walker.path()
}

enum Step {
    /// In an object: the name of the present field, if it was read already.
    Field(Option<Range<usize>>),
    /// In a list: the position of the present item.
    Item(usize),
}

/// What a walk passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    /// An object or a list begins.
    Begin,
    /// One ends.
    End,
    /// The name of a field, without its quotes.
    Name(Range<usize>),
    /// A value that is no text, list or object: a number, `true`, `null`, or what should be one.
    Bare(Range<usize>),
    /// A text, a separator or a space.
    Other,
}

/// Goes from element to element.
pub(super) struct Walker<'a> {
    text: &'a [u8],
    at: usize,
    steps: Vec<Step>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            steps: Vec::new(),
        }
    }

    /// Passes one element; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Element> {
        let start = self.at;
        let mut element = Element::Other;
        match *self.text.get(start)? {
            b'"' => return Some(self.pass_text(start)),
            opening @ (b'{' | b'[') => {
                element = Element::Begin;
                self.enter(match opening {
                    b'{' => Step::Field(None),
                    _ => Step::Item(0),
                })?;
            }
            b'}' | b']' => {
                element = Element::End;
                self.steps.pop();
            }
            b',' => match self.steps.last_mut() {
                Some(Step::Item(index)) => *index += 1,
                Some(Step::Field(name)) => *name = None,
                None => {}
            },
            b':' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let rest = &self.text[start..];
                let length = rest.iter().position(|byte| ends_bare(*byte));
                self.at = length.map_or(self.text.len(), |length| start + length);
                return Some(Element::Bare(start..self.at));
            }
        }
        self.at = start + 1;
        Some(element)
    }

    fn pass_text(&mut self, start: usize) -> Element {
        self.at = string_end(self.text, start);
        match self.steps.last_mut() {
            Some(Step::Field(name @ None)) => {
                let range = start + 1..self.at.saturating_sub(1).max(start + 1);
                *name = Some(range.clone());
                Element::Name(range)
            }
            _ => Element::Other,
        }
    }

    fn enter(&mut self, step: Step) -> Option<()> {
        (self.steps.len() < MAX_STEPS).then(|| self.steps.push(step))
    }

    /// The place of the present element.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Field(Some(name)) => {
                    let name = name.start..name.end.min(name.start + SHOWN_NAME_BYTES);
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&String::from_utf8_lossy(&self.text[name]));
                }
                Step::Field(None) => {}
                Step::Item(index) => path.push_str(&format!("[{index}]")),
            }
            if path.len() > SHOWN_PLACE_BYTES {
                path.truncate(path.floor_char_boundary(SHOWN_PLACE_BYTES));
                path.push_str("...");
                break;
            }
        }
        path
    }
}

fn ends_bare(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"{}[],:\"".contains(&byte)
}

/// The end of the text that begins at `start` with its quote: behind its closing quote, or the end of all.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_byte_is_told_by_names_and_positions() {
        let text = br#"{"id":7,"params":{"arguments":{"steps":["a",{"x":NaN}],"b\"c":1}}}"#;
        let at = |needle: &str| {
            let found = text
                .windows(needle.len())
                .position(|w| w == needle.as_bytes());
            place(text, found.unwrap_or(text.len()))
        };
        assert_eq!(at("7"), "id");
        assert_eq!(at("NaN"), "params.arguments.steps[1].x");
        assert_eq!(at("1}}}"), r#"params.arguments.b\"c"#);
        assert_eq!(place(text, text.len()), "");
        assert_eq!(place(b"", 9), "");
    }

    #[test]
    fn no_text_is_too_strange_to_walk() {
        for text in [
            "[".repeat(100_000),
            "{\"a\":".repeat(5_000),
            "\"\\".into(),
            "]]}}\"".into(),
        ] {
            let shown = place(text.as_bytes(), text.len());
            assert!(shown.len() < 400, "{}", shown.len());
        }
    }
}
