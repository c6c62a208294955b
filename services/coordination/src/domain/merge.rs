//! How the results of subtasks become one.
//!
//! (A) Nothing is lost without a word: what does not fit in a merged result is cut, and the result says that it is
//! truncated. (B) The order is that of the subtasks, whatever finished when; only FIRST and LAST go by time.

use prost_types::Timestamp;
use shim_proto::coordination::v1::{MergeStrategy, TaskResult};

use super::merge_data::Data;

/// The longest text of a result.
const MAX_TEXT_BYTES: usize = 256 << 10;
/// Files of a merged result.
const MAX_ARTIFACTS: usize = 1_000;
/// What stands between texts.
const BETWEEN: &str = "\n\n";

/// Which results are in the merged one, of those that finished at these times: their places, in order.
pub(crate) fn select_results(
    strategy: MergeStrategy,
    finished: &[Option<Timestamp>],
) -> Vec<usize> {
    let indices = 0..finished.len();
    let at = |index: &usize| finished[*index].map(|at| (at.seconds, at.nanos));
    match strategy {
        // Of equal ones `min_by_key` gives the first, `max_by_key` the last.
        MergeStrategy::First => indices.min_by_key(at).into_iter().collect(),
        MergeStrategy::Last => indices.max_by_key(at).into_iter().collect(),
        _ => indices.collect(),
    }
}

/// A merged result in the making. However much is added, it holds little more than what it will be.
#[derive(Debug)]
pub(crate) struct Merged {
    /// All but its text and data.
    result: TaskResult,
    texts: Vec<String>,
    data: Data,
    is_empty: bool,
}

impl Merged {
    pub(crate) fn by(strategy: MergeStrategy) -> Self {
        let data = match strategy {
            MergeStrategy::Unspecified | MergeStrategy::Concatenate => Data::listed(),
            MergeStrategy::Merge | MergeStrategy::First | MergeStrategy::Last => Data::joined(),
        };
        Self {
            result: TaskResult::default(),
            texts: Vec::new(),
            data,
            is_empty: true,
        }
    }

    /// Adds the next result.
    pub(crate) fn add(&mut self, next: TaskResult) {
        let whole = &mut self.result;
        self.is_empty = false;
        whole.truncated |= next.truncated;
        // A failure shows, if there is any.
        whole.exit_code = match (whole.exit_code, next.exit_code) {
            (None | Some(0), Some(code)) => Some(code),
            (code, _) => code,
        };
        let room = MAX_ARTIFACTS - whole.artifacts.len();
        whole.truncated |= next.artifacts.len() > room;
        whole
            .artifacts
            .extend(next.artifacts.into_iter().take(room));
        if let Some(data) = next.data {
            whole.truncated |= !self.data.add(data);
        }
        if !next.text.is_empty() {
            self.texts.push(next.text);
            let cut = cut(&mut self.texts);
            self.result.truncated |= cut;
        }
    }

    /// The whole; `None` if nothing was added.
    pub(crate) fn finish(self) -> Option<TaskResult> {
        (!self.is_empty).then(|| TaskResult {
            text: self.texts.join(BETWEEN),
            data: self.data.finish(),
            ..self.result
        })
    }
}

/// Cuts texts that are too long together; tells whether it did. Each gets as much room as any other needs at most. More
/// texts leave less to each, so whatever is cut early would be cut later too.
fn cut(texts: &mut [String]) -> bool {
    let gaps = BETWEEN.len() * (texts.len() - 1);
    let room = MAX_TEXT_BYTES.saturating_sub(gaps);
    let lengths: Vec<usize> = texts.iter().map(String::len).collect();
    if lengths.iter().sum::<usize>() <= room {
        return false;
    }
    let share = share(lengths, room);
    for text in texts {
        text.truncate(text.floor_char_boundary(share));
    }
    true
}

/// The length such that lengths cut to it fit into the room together.
fn share(mut lengths: Vec<usize>, mut room: usize) -> usize {
    lengths.sort_unstable();
    for (index, length) in lengths.iter().enumerate() {
        let share = room / (lengths.len() - index);
        if *length > share {
            return share;
        }
        room -= length;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use prost_types::{Struct, Value};

    use super::*;

    fn part(text: &str) -> TaskResult {
        TaskResult {
            text: text.to_owned(),
            ..TaskResult::default()
        }
    }

    /// An object of one field.
    fn data(name: &str) -> Option<Struct> {
        let fields = [(name.to_owned(), Value::default())].into();
        Some(Struct { fields })
    }

    fn merge(strategy: MergeStrategy, parts: Vec<TaskResult>) -> TaskResult {
        let mut merged = Merged::by(strategy);
        parts.into_iter().for_each(|part| merged.add(part));
        merged.finish().unwrap()
    }

    #[test]
    fn results_are_merged_in_the_order_of_the_subtasks() {
        let mut parts = ["first", "", "third"].map(part);
        parts[0].data = data("a");
        parts[2].data = data("b");
        let listed = merge(MergeStrategy::Concatenate, parts.to_vec());
        assert_eq!(listed.text, "first\n\nthird");
        let fields = |whole: &TaskResult| {
            let fields = &whole.data.as_ref().unwrap().fields;
            fields.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(fields(&listed), ["results"]);
        let joined = merge(MergeStrategy::Merge, parts.to_vec());
        assert_eq!(fields(&joined), ["a", "b"]);
        assert_eq!(joined.text, listed.text);
        assert!(!joined.truncated && !listed.truncated);
    }

    #[test]
    fn the_first_and_the_last_go_by_time() {
        let times = [5, 3, 8, 8, 3].map(|seconds| Some(Timestamp { seconds, nanos: 0 }));
        assert_eq!(select_results(MergeStrategy::First, &times), [1]);
        assert_eq!(select_results(MergeStrategy::Last, &times), [3]);
        assert_eq!(
            select_results(MergeStrategy::Merge, &times),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(select_results(MergeStrategy::First, &[]), [0; 0]);
    }

    #[test]
    fn one_result_alone_stays_as_it_is() {
        let mut only = part("text");
        only.data = data("n");
        only.artifacts = vec!["a".to_owned(), "b".to_owned()];
        only.exit_code = Some(0);
        assert_eq!(merge(MergeStrategy::First, vec![only.clone()]), only);
        assert_eq!(Merged::by(MergeStrategy::First).finish(), None);
    }

    #[test]
    fn a_failed_program_shows_in_the_whole() {
        let parts = [None, Some(0), Some(3), Some(0)].map(|exit_code| {
            let mut part = part("");
            part.exit_code = exit_code;
            part
        });
        let merged = merge(MergeStrategy::Concatenate, parts.to_vec());
        assert_eq!(merged.exit_code, Some(3));
    }

    #[test]
    fn a_long_text_is_cut_and_leaves_room_for_the_others() {
        let long = "ä".repeat(MAX_TEXT_BYTES);
        let parts = vec![part(&long), part("short"), part(&long)];
        let merged = merge(MergeStrategy::Concatenate, parts);
        assert!(merged.truncated);
        assert!(merged.text.contains("ä\n\nshort\n\nä"));
        let room = MAX_TEXT_BYTES - 8..=MAX_TEXT_BYTES;
        assert!(room.contains(&merged.text.len()), "{}", merged.text.len());
    }

    proptest! {
        #[test]
        fn short_texts_are_all_there_and_long_ones_fairly_cut(
            lengths in prop::collection::vec(0usize..100_000, 1..12),
        ) {
            let parts = lengths.iter().map(|length| part(&"x".repeat(*length)));
            let TaskResult { text: merged, truncated, .. } = merge(MergeStrategy::Merge, parts.collect());
            prop_assert!(merged.len() <= MAX_TEXT_BYTES);
            let shown: Vec<_> = merged.split(BETWEEN).filter(|text| !text.is_empty()).map(str::len).collect();
            let given: Vec<_> = lengths.into_iter().filter(|length| *length > 0).collect();
            prop_assert_eq!(truncated, shown != given);
            let longest = shown.iter().copied().max().unwrap_or(0);
            for (shown, given) in shown.iter().zip(&given) {
                prop_assert!(shown == given || *shown == longest);
            }
        }
    }
}
