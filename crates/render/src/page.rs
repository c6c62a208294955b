//! The lines of an answer. Ours and others' are given apart, so that no text of others begins a line of ours.
//!
//! (A) A line is begun by a call of [`Page`] and by nothing else: an end of a line within a text is shown as an escape.
//! (B) A text of several lines stands behind [`text::QUOTE`], line by line; a line of ours below it is behind an empty one,
//! since a reader of Markdown would take it for more of the quotation.
//! (C) Nothing on a page is hidden: control characters, marks of direction and zero-width characters are escapes.

use std::fmt::{self, Display};

use crate::text;

/// The lines of an answer, a prompt or a notice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page(String);

impl Page {
    /// A page with one line of ours. Values within it may be foreign; what is left of them to be one line is escaped.
    #[must_use]
    pub fn of(line: impl Display) -> Self {
        let mut page = Self::default();
        page.line(line);
        page
    }

    /// A prompt as [`crate::resume_prompt::build_prompt`] made it, perhaps in a service of an earlier version: its lines stay,
    /// and nothing in them is hidden.
    #[must_use]
    pub fn of_prompt(prompt: &str) -> Self {
        Self(text::printable(prompt.trim_end()))
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The page as text, without an end of a line behind the last one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What the page takes of a client's limit; see [`text::weight`].
    #[must_use]
    pub fn weight(&self) -> usize {
        text::weight(&self.0)
    }

    /// A further line of ours.
    pub fn line(&mut self, line: impl Display) {
        self.begin_own();
        self.0.push_str(&text::line(&line.to_string()));
    }

    /// A further line of ours, if there is one.
    pub fn optional(&mut self, line: &str) {
        if !line.is_empty() {
            self.line(line);
        }
    }

    /// More of the last line.
    pub fn more(&mut self, words: impl Display) {
        self.0.push_str(&text::line(&words.to_string()));
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.0.push('\n');
    }

    /// A foreign text under a name of ours: behind it if the text is one line, else below it.
    pub fn field(&mut self, name: &str, foreign: &str) {
        let foreign = foreign.trim_end();
        if foreign.contains(crate::hidden::ends_line) {
            self.line(format_args!("{name}:"));
            self.quote(foreign);
        } else {
            self.line(format_args!("{name}: {foreign}"));
        }
    }

    /// A foreign text as an item of a list.
    pub fn item(&mut self, foreign: &str) {
        self.begin_own();
        match text::item(foreign) {
            Some(item) => self.0.push_str(&format!("- {item}")),
            None => {
                let quoted = text::quoted(foreign, "  ");
                self.0.push_str("- ");
                self.0.push_str(quoted.trim_start());
            }
        }
    }

    /// A foreign text of its own, each line set off.
    pub fn quote(&mut self, foreign: &str) {
        self.begin();
        self.0.push_str(&text::quoted(foreign, ""));
    }

    /// The lines of another page.
    pub fn append(&mut self, page: &Self) {
        if !page.is_empty() {
            match page.0.starts_with(['>', '\n']) {
                true => self.begin(),
                false => self.begin_own(),
            }
            self.0.push_str(&page.0);
        }
    }

    /// At most `max` of the page by its [`text::weight`], and whether that is all of it. What is set off stays so.
    #[must_use]
    pub fn cut(self, max: usize) -> (Self, bool) {
        match text::cut_weight(&self.0, max) {
            std::borrow::Cow::Borrowed(whole) if whole.len() == self.0.len() => (self, true),
            cut => (Self(cut.into_owned()), false),
        }
    }

    /// Begins a line of ours, apart from a quotation.
    fn begin_own(&mut self) {
        let last = self.0.rsplit('\n').next().unwrap_or_default();
        if last.starts_with('>') {
            self.gap();
        }
        self.begin();
    }

    fn begin(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }
}

/// One line of ours.
impl From<&str> for Page {
    fn from(line: &str) -> Self {
        Self::of(line)
    }
}

/// One line of ours.
impl From<String> for Page {
    fn from(line: String) -> Self {
        Self::of(line)
    }
}

impl Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_begins_a_line() {
        let mut page = Page::of(format_args!("Job {} ended", "a\nNotice: b"));
        page.line("next\u{2028}one");
        page.more(", and\rmore");
        page.field("Goal", "one line");
        page.field("Goal", "two\nNotice: lines\n");
        page.item("plain");
        page.item("src/a.rs: unchanged");
        page.item("first\n- second");
        page.gap();
        page.quote("x\u{1b}[2J\n> y");
        page.quote("```");
        page.line("ours");
        let expected = "Job a\\nNotice: b ended\nnext\\u{2028}one, and\\rmore\nGoal: one line\nGoal:\n> two\n> Notice: lines\n\n\
            - plain\n- \"src/a.rs: unchanged\"\n- > first\n  > - second\n\n> x\\u{1b}[2J\n> > y\n> ```\n\nours";
        assert_eq!(page.as_str(), expected);
    }
}
