//! The split of an analysis: parts of which each asks the linters about its files, and one task after them that analyzes the
//! whole with what they were told. So the result is that of one analysis, not a row of eight.

use shim_proto::coordination::v1::{MergeStrategy, SplitPolicy, SubmitTaskRequest, Subtask};
use shim_proto::limits::evolution::{MAX_PARTS, PARTS, SPLIT_ABOVE_FILES};
use shim_runtime::free_form;

use super::estimate::{Estimate, JobSize};
use super::split::split;

const KIND: &str = "analyze";
/// The key of the task that analyzes the whole.
const WHOLE: &str = "merge";

/// Whether the job is an analysis that may be split.
pub(crate) fn may_be_split(job: &SubmitTaskRequest) -> bool {
    let is_set = |field: &str| {
        let fields = job.payload.as_ref().map(|payload| &payload.fields);
        fields.is_some_and(|fields| fields.contains_key(field))
    };
    job.kind == KIND
        && job.subtasks.is_empty()
        && job.split() != SplitPolicy::Never
        && !is_set("part")
        && !is_set("first_picture_only")
}

/// The number of parts that the payload names.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn named_parts(job: &SubmitTaskRequest) -> Result<Option<u32>, String> {
    let payload = job.payload.as_ref().map(free_form::to_json);
    let Some(named) = payload.and_then(|payload| payload.get("parts").cloned()) else {
        return Ok(None);
    };
    if !job.files.is_empty() {
        return Err(
            "is for an analysis without files; a long list of files is split by itself".to_owned(),
        );
    }
    let within = |parts: &f64| parts.fract() == 0.0 && (1.0..=f64::from(MAX_PARTS)).contains(parts);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number within u32"
    )]
    let parts = named.as_f64().filter(within).map(|parts| parts as u32);
    let wrong = || format!("must be a whole number from 1 to {MAX_PARTS}");
    parts.map(Some).ok_or_else(wrong)
}

/// Gives an analysis that is large its subtasks. `source_files` is how many files the project has, as far as that is known.
pub(crate) fn split_analysis(job: &mut SubmitTaskRequest, source_files: usize) {
    if !may_be_split(job) {
        return;
    }
    let parts = match named_parts(job) {
        Ok(Some(parts)) => by_number(job, parts),
        _ if job.files.is_empty() && source_files > SPLIT_ABOVE_FILES => by_number(job, PARTS),
        _ => by_files(job),
    };
    if parts.len() < 2 {
        return;
    }
    let whole = Subtask {
        key: WHOLE.to_owned(),
        goal: job.goal.clone(),
        depends_on: parts.iter().map(|part| part.key.clone()).collect(),
        files: job.files.iter().map(|file| file.path.clone()).collect(),
        payload: with(job, &[]),
        ..Subtask::default()
    };
    job.subtasks = parts;
    job.subtasks.push(whole);
    if job.merge() == MergeStrategy::Unspecified {
        job.set_merge(MergeStrategy::Last);
    }
}

fn by_number(job: &SubmitTaskRequest, parts: u32) -> Vec<Subtask> {
    let part = |part: u32| Subtask {
        key: format!("part-{part}"),
        goal: format!("Part {part} of {parts}: {}", job.goal),
        payload: with(job, &[("part", part), ("parts", parts)]),
        ..Subtask::default()
    };
    (1..=parts).map(part).collect()
}

/// The parts of a long list of files, each with its own.
fn by_files(job: &SubmitTaskRequest) -> Vec<Subtask> {
    let estimate = Estimate::of(&JobSize::of_job(job));
    if job.files.len() < 2 || !estimate.is_worth_splitting() {
        return Vec::new();
    }
    let parts = split(&job.goal, &job.files, &[]).map(|(parts, _)| parts);
    let parts = parts.unwrap_or_default().into_iter().enumerate();
    parts
        .map(|(at, part)| Subtask {
            key: format!("part-{}", at + 1),
            goal: part.goal,
            files: part.files,
            weight: part.work,
            payload: with(job, &[("part", 1), ("parts", 1)]),
            ..Subtask::default()
        })
        .collect()
}

/// The job's payload without a number of parts, and these fields.
fn with(job: &SubmitTaskRequest, fields: &[(&str, u32)]) -> Option<prost_types::Struct> {
    let mut payload = job.payload.clone().unwrap_or_default();
    payload.fields.remove("parts");
    for (field, number) in fields {
        let kind = prost_types::value::Kind::NumberValue(f64::from(*number));
        let value = prost_types::Value { kind: Some(kind) };
        payload.fields.insert((*field).to_owned(), value);
    }
    Some(payload)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};
    use shim_proto::coordination::v1::FileHint;

    use super::*;

    fn analysis(payload: &Value) -> SubmitTaskRequest {
        SubmitTaskRequest {
            goal: "look".to_owned(),
            kind: "analyze".to_owned(),
            payload: free_form::from_json(payload.as_object().unwrap()),
            ..SubmitTaskRequest::default()
        }
    }

    fn payload(subtask: &Subtask) -> Value {
        Value::Object(free_form::to_json(subtask.payload.as_ref().unwrap()))
    }

    #[test]
    fn a_large_project_is_eight_parts_and_the_whole_after_them() {
        let mut job = analysis(&json!({"path": "/p", "limit": 5}));
        split_analysis(&mut job, SPLIT_ABOVE_FILES + 1);
        assert_eq!((job.subtasks.len(), job.merge()), (9, MergeStrategy::Last));
        let [first, .., whole] = job.subtasks.as_slice() else {
            panic!("{job:?}");
        };
        let expected = json!({"path": "/p", "limit": 5, "part": 1, "parts": 8});
        assert_eq!(payload(first), expected);
        assert_eq!((whole.key.as_str(), whole.depends_on.len()), ("merge", 8));
        assert_eq!(payload(whole), json!({"path": "/p", "limit": 5}));
    }

    #[test]
    fn a_number_of_parts_is_heeded_or_refused() {
        let mut job = analysis(&json!({"path": "/p", "parts": 3}));
        split_analysis(&mut job, 0);
        assert_eq!(job.subtasks.len(), 4);
        for wrong in [json!(0), json!(65), json!(1.5), json!("8")] {
            let job = analysis(&json!({"parts": wrong}));
            assert!(named_parts(&job).is_err(), "{wrong}");
        }
        let mut with_files = analysis(&json!({"parts": 3}));
        with_files.files = vec![FileHint::default()];
        assert!(named_parts(&with_files).is_err());
    }

    #[test]
    fn a_long_list_of_files_is_parts_with_files_of_their_own() {
        let mut job = analysis(&json!({"path": "/p"}));
        let hint = |n| FileHint {
            path: format!("{n}.js"),
            size_bytes: 100_000,
        };
        job.files = (0..16).map(hint).collect();
        split_analysis(&mut job, 0);
        assert_eq!(job.subtasks.len(), 9);
        assert!(job.subtasks[..8].iter().all(|part| part.files.len() == 2));
        assert_eq!(job.subtasks[8].files.len(), 16);
    }

    #[test]
    fn what_is_small_or_not_to_be_split_stays_whole() {
        let many = SPLIT_ABOVE_FILES + 1;
        for (payload, files, is_never) in [
            (json!({"path": "/p"}), many - 1, false),
            (json!({"path": "/p"}), many, true),
            (
                json!({"path": "/p", "first_picture_only": true}),
                many,
                false,
            ),
            (json!({"path": "/p", "part": 1, "parts": 2}), many, false),
            (json!({"path": "/p", "parts": 1}), many, false),
        ] {
            let mut job = analysis(&payload);
            if is_never {
                job.set_split(SplitPolicy::Never);
            }
            split_analysis(&mut job, files);
            assert_eq!(job.subtasks, [], "{payload}");
        }
        let mut other = analysis(&json!({"path": "/p"}));
        other.kind = "evolve".to_owned();
        split_analysis(&mut other, many);
        assert_eq!(other.subtasks, []);
    }
}
