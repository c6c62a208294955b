//! The lists of the resume prompt. Each gets a share of the room, and what is left out is counted.

use crate::page::Page;
use crate::text::cut_bytes;

/// Entries of a list that are shown.
const MAX_ITEMS: usize = 40;
/// Entries of a list whose first ones matter most.
const MAX_RANKED: usize = 100;
const MAX_ITEM_BYTES: usize = 400;
/// An entry with what sets it off.
const MAX_SHOWN_ITEM_BYTES: usize = MAX_ITEM_BYTES + 200;
/// The heading and the line that counts what is left out.
const FRAME_BYTES: usize = 160;

/// A list with its heading.
pub(crate) struct Section {
    title: &'static str,
    /// What the entries are, in the plural.
    noun: &'static str,
    /// The first and the last entries, as many as are ever shown.
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
    Ranked,
    /// Steps and checks matter from the front, decisions and finished steps from the back: both ends stay.
    InOrder,
    /// One text.
    Text,
}

impl Section {
    /// A list of foreign texts.
    pub(crate) fn of_foreign<T: AsRef<str>>(
        title: &'static str,
        noun: &'static str,
        texts: &[T],
    ) -> Self {
        Self::of(Kind::InOrder, title, noun, texts, |text| {
            let text = text.as_ref();
            let mut page = Page::default();
            page.item(&cut_bytes(text, MAX_ITEM_BYTES));
            let (page, is_whole) = page.cut(MAX_SHOWN_ITEM_BYTES);
            (page, is_whole && text.len() <= MAX_ITEM_BYTES)
        })
    }

    /// A list of lines of ours, with foreign values in them; what matters most comes first.
    pub(crate) fn of_lines(title: &'static str, noun: &'static str, lines: &[String]) -> Self {
        Self::of(Kind::Ranked, title, noun, lines, |line| {
            Page::of(format_args!("- {line}")).cut(2 * MAX_SHOWN_ITEM_BYTES)
        })
    }

    /// One foreign text, of which at most `max` bytes are shown.
    pub(crate) fn of_text(title: &'static str, noun: &'static str, text: &str, max: usize) -> Self {
        let mut page = Page::default();
        if !text.is_empty() {
            page.quote(&cut_bytes(text, max));
        }
        Self {
            title,
            noun,
            total: usize::from(!text.is_empty()),
            items: vec![page],
            whole: vec![text.len() <= max],
            kind: Kind::Text,
        }
    }

    fn of<T>(
        kind: Kind,
        title: &'static str,
        noun: &'static str,
        all: &[T],
        show: impl Fn(&T) -> (Page, bool),
    ) -> Self {
        let half = MAX_ITEMS / 2;
        let ends: Vec<&T> = match all.len() {
            _ if kind == Kind::Ranked => all.iter().take(MAX_RANKED).collect(),
            few if few <= MAX_ITEMS => all.iter().collect(),
            many => all[..half].iter().chain(&all[many - half..]).collect(),
        };
        let (items, whole): (Vec<Page>, Vec<bool>) = ends.into_iter().map(show).unzip();
        Self {
            title,
            noun,
            total: all.len(),
            items,
            whole,
            kind,
        }
    }

    /// The bytes that all shown entries take.
    pub(crate) fn need(&self) -> usize {
        match self.total {
            0 => 0,
            _ => FRAME_BYTES + self.items.iter().map(|item| item.len() + 1).sum::<usize>(),
        }
    }

    /// Writes the list within `share` bytes, and yields what is not in it, in words.
    pub(crate) fn write(self, page: &mut Page, share: usize) -> Option<String> {
        if self.total == 0 {
            return None;
        }
        if !page.is_empty() {
            page.gap();
        }
        page.line(format_args!("## {}", self.title));
        let room = share.saturating_sub(FRAME_BYTES);
        if let ([text], Kind::Text) = (self.items.as_slice(), self.kind) {
            let (text, is_whole) = text.clone().cut(room.max(FRAME_BYTES));
            page.append(&text);
            let is_all = is_whole && self.whole == [true];
            return (!is_all).then(|| format!("the end of the {}", self.noun));
        }
        let (front, back) = self.ends(room);
        let left_out = self.total - front - back;
        let count = self.items.len();
        for item in &self.items[..front] {
            page.append(item);
        }
        if left_out > 0 {
            page.line(format_args!("- ... {left_out} more in the checkpoint ..."));
        }
        for item in &self.items[count - back..] {
            page.append(item);
        }
        let shown = self.whole[..front]
            .iter()
            .chain(&self.whole[count - back..]);
        let cut = shown.filter(|is_whole| !**is_whole).count();
        self.missing(left_out, cut)
    }

    /// How many entries fit, from the front and from the back in turn.
    fn ends(&self, room: usize) -> (usize, usize) {
        let (mut front, mut back, mut left) = (0, 0, room);
        let count = self.items.len();
        while front + back < count {
            let takes_front = front <= back || self.kind == Kind::Ranked;
            let next = if takes_front { front } else { count - 1 - back };
            let bytes = self.items[next].len() + 1;
            if bytes > left && front + back > 0 {
                break;
            }
            left = left.saturating_sub(bytes);
            if takes_front {
                front += 1;
            } else {
                back += 1;
            }
        }
        (front, back)
    }

    fn missing(&self, left_out: usize, cut: usize) -> Option<String> {
        let Self { noun, total, .. } = self;
        match (left_out, cut) {
            (0, 0) => None,
            (0, cut) => Some(format!("the end of {cut} of {total} {noun}")),
            (left_out, 0) => Some(format!("{left_out} of {total} {noun}")),
            (left_out, cut) => Some(format!(
                "{left_out} of {total} {noun}, and the end of {cut}"
            )),
        }
    }
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
    fn a_long_list_keeps_its_ends_and_says_what_is_missing() {
        let items: Vec<_> = (0..100).map(|n| format!("step {n}.")).collect();
        let mut page = Page::default();
        let missing = Section::of_foreign("Steps", "steps", &items).write(&mut page, 10_000);
        let text = page.as_str();
        assert!(
            text.contains("step 0.") && text.contains("step 99.") && !text.contains("step 50.")
        );
        assert!(text.contains("- ... 60 more in the checkpoint ..."));
        let kept = text.lines().filter(|line| line.contains("step ")).count();
        assert_eq!(kept, MAX_ITEMS);
        assert_eq!(missing.as_deref(), Some("60 of 100 steps"));

        let mut page = Page::default();
        let long = ["a".repeat(1_000), "b".into(), "c".repeat(1_000)];
        let missing = Section::of_foreign("Steps", "steps", &long).write(&mut page, 600);
        assert!(page.len() <= 600, "{page}");
        assert_eq!(missing.as_deref(), Some("2 of 3 steps, and the end of 1"));
    }
}
