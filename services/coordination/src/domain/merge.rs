//! The merge of the results of subtasks into one.
//!
//! (A) No loss is silent: what does not fit into the merged result is cut, and the result is marked as truncated. (B) Results
//! are in the order of the subtasks; only FIRST and LAST go by the time of completion.

use prost_types::Timestamp;
use shim_proto::coordination::v1::{MergeStrategy, TaskResult};
use shim_proto::limits::task::{MAX_DENIALS, MAX_REMARKS, MAX_RESULT_TEXT_BYTES as MAX_TEXT_BYTES};

use super::merge_data::Data;

/// Artifacts of a merged result.
const MAX_ARTIFACTS: usize = 1_000;
/// The separator between texts.
const SEPARATOR: &str = "\n\n";

/// The indices of the results that are merged, in order, out of results with these times of completion.
pub(crate) fn select_results(
    strategy: MergeStrategy,
    finished: &[Option<Timestamp>],
) -> Vec<usize> {
    let indices = 0..finished.len();
    let at = |index: &usize| finished[*index].map(|at| (at.seconds, at.nanos));
    match strategy {
        // Among equal times `min_by_key` selects the first index, `max_by_key` the last.
        MergeStrategy::First => indices.min_by_key(at).into_iter().collect(),
        MergeStrategy::Last => indices.max_by_key(at).into_iter().collect(),
        _ => indices.collect(),
    }
}

/// A merged result under construction. Its memory is bounded by the limits of the finished result, not by its parts.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The result without text and data.
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
        // The first exit code other than 0 wins.
        whole.exit_code = match (whole.exit_code, next.exit_code) {
            (None | Some(0), Some(code)) => Some(code),
            (code, _) => code,
        };
        whole.truncated |= extend(&mut whole.denials, next.denials, MAX_DENIALS);
        whole.truncated |= extend(&mut whole.remarks, next.remarks, MAX_REMARKS);
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

    /// The merged result; `None` if no result was added.
    pub(crate) fn finish(self) -> Option<TaskResult> {
        (!self.is_empty).then(|| TaskResult {
            text: self.texts.join(SEPARATOR),
            data: self.data.finish(),
            ..self.result
        })
    }
}

/// Adds lines up to a number; returns whether it left any out.
fn extend(lines: &mut Vec<String>, more: Vec<String>, most: usize) -> bool {
    let room = most.saturating_sub(lines.len());
    let is_cut = more.len() > room;
    lines.extend(more.into_iter().take(room));
    is_cut
}

/// Cuts texts whose sum is too long to one common length; returns whether it cut any. Each further text shortens that length,
/// so a text that is cut early would be cut later too.
fn cut(texts: &mut [String]) -> bool {
    let gaps = SEPARATOR.len() * (texts.len() - 1);
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

/// The longest common length to which lengths must be cut so that their sum fits into the room.
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
    fn a_single_result_is_unchanged() {
        let mut only = part("text");
        only.data = data("n");
        only.artifacts = vec!["a".to_owned(), "b".to_owned()];
        only.exit_code = Some(0);
        assert_eq!(merge(MergeStrategy::First, vec![only.clone()]), only);
        assert_eq!(Merged::by(MergeStrategy::First).finish(), None);
    }

    #[test]
    fn a_failed_program_decides_the_exit_code() {
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
        fn short_texts_are_complete_and_long_ones_cut_alike(
            lengths in prop::collection::vec(0usize..100_000, 1..12),
        ) {
            let parts = lengths.iter().map(|length| part(&"x".repeat(*length)));
            let TaskResult { text: merged, truncated, .. } = merge(MergeStrategy::Merge, parts.collect());
            prop_assert!(merged.len() <= MAX_TEXT_BYTES);
            let shown: Vec<_> = merged.split(SEPARATOR).filter(|text| !text.is_empty()).map(str::len).collect();
            let given: Vec<_> = lengths.into_iter().filter(|length| *length > 0).collect();
            prop_assert_eq!(truncated, shown != given);
            let longest = shown.iter().copied().max().unwrap_or(0);
            for (shown, given) in shown.iter().zip(&given) {
                prop_assert!(shown == given || *shown == longest);
            }
        }
    }
}
