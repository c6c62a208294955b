//! The lists of the resume prompt. Each gets a share of the room and stays within it, and what is left out is counted.

use crate::page::Page;
use crate::text::{cut_weight, weight};

/// Entries of a list that are shown.
const MAX_ITEMS: usize = 40;
const MAX_ITEM: usize = 300;
/// An entry with what sets it off.
const MAX_SHOWN_ITEM: usize = MAX_ITEM + 60;
/// The heading, the line that counts what is left out, and the ends of lines between.
const FRAME: usize = 170;
const END_OF_LINE: usize = 2;
/// Less of an entry says nothing.
const SHORTEST: usize = 40;

/// A list with its heading.
pub(crate) struct Section {
    title: &'static str,
    /// What the entries are, in the plural.
    noun: &'static str,
    /// As many entries as are ever shown, those that matter most first.
    items: Vec<Page>,
    /// How many entries there are.
    total: usize,
    /// Whether each of them is shown to its end.
    whole: Vec<bool>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The first entries matter most.
    First,
    /// The last entries are the newest and matter most; they stand in their order.
    Last,
    /// One text.
    Text,
}

impl Section {
    /// A list of foreign texts, of which the first matter most: what comes next.
    pub(crate) fn of_first<T: AsRef<str>>(
        title: &'static str,
        noun: &'static str,
        texts: &[T],
    ) -> Self {
        Self::of(Kind::First, title, noun, texts.iter(), texts.len(), foreign)
    }

    /// A list of foreign texts in the order in which they came, of which the newest matter most.
    pub(crate) fn of_newest<T: AsRef<str>>(
        title: &'static str,
        noun: &'static str,
        texts: &[T],
    ) -> Self {
        let newest = texts.iter().rev();
        Self::of(Kind::Last, title, noun, newest, texts.len(), foreign)
    }

    /// A list of lines of ours, with foreign values in them; what matters most comes first.
    pub(crate) fn of_lines(title: &'static str, noun: &'static str, lines: &[String]) -> Self {
        let show = |line: &String| Page::of(format_args!("- {line}")).cut(2 * MAX_SHOWN_ITEM);
        Self::of(Kind::First, title, noun, lines.iter(), lines.len(), show)
    }

    /// One foreign text, of which at most `max` is shown.
    pub(crate) fn of_text(title: &'static str, noun: &'static str, text: &str, max: usize) -> Self {
        let shown = cut_weight(text, max);
        let mut page = Page::default();
        if !text.is_empty() {
            page.quote(&shown);
        }
        Self {
            title,
            noun,
            total: usize::from(!text.is_empty()),
            items: vec![page],
            whole: vec![shown.len() == text.len()],
            kind: Kind::Text,
        }
    }

    fn of<'a, T: 'a>(
        kind: Kind,
        title: &'static str,
        noun: &'static str,
        best_first: impl Iterator<Item = &'a T>,
        total: usize,
        show: impl Fn(&T) -> (Page, bool),
    ) -> Self {
        let (items, whole) = best_first.take(MAX_ITEMS).map(show).unzip();
        Self {
            title,
            noun,
            items,
            total,
            whole,
            kind,
        }
    }

    /// What all shown entries take.
    pub(crate) fn need(&self) -> usize {
        match self.total {
            0 => 0,
            _ => FRAME + self.need_of_items(),
        }
    }

    fn need_of_items(&self) -> usize {
        let items = self.items.iter();
        items.map(|item| item.weight() + END_OF_LINE).sum()
    }

    /// Writes the list within `share`, and yields what is not in it, in words.
    pub(crate) fn write(self, page: &mut Page, share: usize) -> Option<String> {
        if self.total == 0 {
            return None;
        }
        let room = share.saturating_sub(FRAME);
        if room < self.need_of_items().min(SHORTEST) {
            return Some(self.all_left_out());
        }
        let mut shown = self.fitting(room);
        let left_out = self.total - shown.len();
        let cut = shown.iter().filter(|(_, is_whole)| !is_whole).count();
        if !page.is_empty() {
            page.gap();
        }
        page.line(format_args!("## {}", self.title));
        if self.kind == Kind::Last {
            shown.reverse();
            if left_out > 0 {
                page.line(format_args!(
                    "- ... {left_out} earlier ones in the checkpoint ..."
                ));
            }
        }
        for (item, _) in &shown {
            page.append(item);
        }
        if left_out > 0 && self.kind == Kind::First {
            page.line(format_args!("- ... {left_out} more in the checkpoint ..."));
        }
        self.missing(left_out, cut)
    }

    /// The entries that fit, those that matter most first, and whether each is whole. The first one is cut to fit.
    fn fitting(&self, room: usize) -> Vec<(Page, bool)> {
        let (mut shown, mut left) = (Vec::new(), room);
        for (item, is_whole) in self.items.iter().zip(&self.whole) {
            let taken = item.weight() + END_OF_LINE;
            if taken > left {
                if shown.is_empty() {
                    let (cut, _) = item.clone().cut(left.saturating_sub(END_OF_LINE));
                    shown.push((cut, false));
                }
                break;
            }
            left -= taken;
            shown.push((item.clone(), *is_whole));
        }
        shown
    }

    fn all_left_out(&self) -> String {
        match self.kind {
            Kind::Text => format!("the {}", self.noun),
            Kind::First | Kind::Last => format!("all {} {}", self.total, self.noun),
        }
    }

    fn missing(&self, left_out: usize, cut: usize) -> Option<String> {
        let Self {
            noun, total, kind, ..
        } = self;
        match (left_out, cut) {
            (0, 0) => None,
            (0, _) if *kind == Kind::Text => Some(format!("the end of the {noun}")),
            (0, cut) => Some(format!("the end of {cut} of {total} {noun}")),
            (left_out, 0) => Some(format!("{left_out} of {total} {noun}")),
            (left_out, cut) => Some(format!(
                "{left_out} of {total} {noun}, and the end of {cut}"
            )),
        }
    }
}

/// A foreign text as an entry, and whether all of it is there.
fn foreign<T: AsRef<str>>(text: &T) -> (Page, bool) {
    let text = text.as_ref();
    let mut page = Page::default();
    page.item(&cut_weight(text, MAX_ITEM));
    let (page, is_whole) = page.cut(MAX_SHOWN_ITEM);
    (page, is_whole && weight(text) <= MAX_ITEM)
}

/// The shares of a room: small needs are met, and large ones get as much as each other of what is left.
pub(crate) fn shares(needs: &[usize], room: usize) -> Vec<usize> {
    let mut by_size: Vec<usize> = (0..needs.len()).collect();
    by_size.sort_by_key(|at| needs[*at]);
    let mut shares = vec![0; needs.len()];
    let (mut left, mut waiting) = (room, needs.len());
    for at in by_size {
        shares[at] = needs[at].min(left / waiting);
        left -= shares[at];
        waiting -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_needs_are_met_and_large_ones_share_the_rest() {
        assert_eq!(shares(&[10, 1_000, 20, 500], 430), [10, 200, 20, 200]);
        assert_eq!(shares(&[10, 20], 100), [10, 20]);
        assert!(shares(&[], 5).is_empty());
    }

    #[test]
    fn a_long_list_keeps_what_matters_most_and_says_what_is_missing() {
        let items: Vec<_> = (0..100).map(|n| format!("step {n}.")).collect();
        let mut page = Page::default();
        let missing = Section::of_first("Steps", "steps", &items).write(&mut page, 10_000);
        let text = page.as_str();
        assert!(
            text.contains("step 0.") && text.contains("step 39.") && !text.contains("step 40.")
        );
        assert!(text.ends_with("- ... 60 more in the checkpoint ..."));
        assert_eq!(missing.as_deref(), Some("60 of 100 steps"));

        let mut page = Page::default();
        Section::of_newest("Steps", "steps", &items).write(&mut page, 10_000);
        let text = page.as_str();
        let begin = "## Steps\n- ... 60 earlier ones in the checkpoint ...\n- step 60.\n";
        assert!(
            text.starts_with(begin) && text.ends_with("- step 99."),
            "{text}"
        );
    }

    #[test]
    fn a_section_stays_within_its_share_or_is_left_out() {
        let long = ["a\n".repeat(1_000), "b".into(), "c\"".repeat(1_000)];
        for share in 0..900 {
            for section in [
                Section::of_first("Steps", "steps", &long),
                Section::of_newest("Steps", "steps", &long),
                Section::of_text("Steps", "steps", &long[0], 700),
            ] {
                let mut page = Page::of("before");
                let before = page.weight();
                let missing = section.write(&mut page, share);
                assert!(page.weight() - before <= share, "{share}: {page}");
                assert!(missing.is_some());
            }
        }
        let mut page = Page::default();
        let missing = Section::of_first("Steps", "steps", &long).write(&mut page, 800);
        assert_eq!(missing.as_deref(), Some("1 of 3 steps, and the end of 1"));
        let missing = Section::of_first("Steps", "steps", &long).write(&mut page, 180);
        assert_eq!(missing.as_deref(), Some("all 3 steps"));
        let short = Section::of_first("Steps", "steps", &["x"]);
        let need = short.need();
        assert_eq!(short.write(&mut page, need), None, "a short one is whole");
    }
}
