//! Jobs drawn at random: graphs of up to a dozen tasks, some of which fail, share files or need a program, and what must
//! become of each.

use std::time::Duration;

use shim_proto::coordination::v1::{
    FailurePolicy, FileHint, Requirements, SubmitTaskRequest, Subtask, WorkerKind,
};

use crate::coordination::proto_duration;
use crate::rng::SeededRng;
use crate::tasks::job;

/// Kinds of tasks, as the hands read them: done at once,
const PLAIN: &str = "plain";
/// done at the second attempt,
pub(super) const FAILS_ONCE: &str = "fails once";
/// failed for good,
pub(super) const DOOMED: &str = "doomed";
/// kept until its worker dies, and done at once by the next.
pub(super) const HELD: &str = "held";

/// Where the files are that tasks have for themselves.
pub(super) const WORKSPACE: &str = "panel";
const MAX_PARTS: u64 = 12;
const FAILS_ONCE_ODDS: u64 = 12;
const DOOMED_ODDS: u64 = 60;
const PROGRAM_ODDS: u64 = 8;
const FILES_ODDS: u64 = 6;
/// Few, so that tasks meet.
const FOLDERS: u64 = 6;
const BACKOFF: Duration = Duration::from_millis(100);

/// A job to submit.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub(super) request: SubmitTaskRequest,
    /// For each of its tasks that a worker does, in their order, whether it must complete.
    pub(super) must_complete: Vec<bool>,
}

impl Graph {
    pub(super) fn draw(rng: &mut SeededRng) -> Self {
        let count = usize::try_from(rng.within(1..MAX_PARTS + 1)).unwrap_or(1);
        let mut parts = Vec::with_capacity(count);
        for number in 0..count {
            parts.push(part(number, rng));
        }
        let fails_fast = rng.one_in(2);
        let policy = if fails_fast {
            FailurePolicy::FailFast
        } else {
            FailurePolicy::Continue
        };
        let must_complete = outcomes(&parts, fails_fast);
        let mut request = SubmitTaskRequest {
            backoff: proto_duration(BACKOFF),
            on_failure: policy.into(),
            workspace: WORKSPACE.into(),
            ..job("a graph of the panel")
        };
        match <[Subtask; 1]>::try_from(parts) {
            Ok([only]) => inline_into_root(&mut request, only),
            Err(parts) => request.subtasks = parts,
        }
        Self {
            request,
            must_complete,
        }
    }

    /// One task that is held until its worker dies.
    pub(super) fn held() -> Self {
        let request = SubmitTaskRequest {
            kind: HELD.into(),
            requirements: requires(WorkerKind::Agent),
            ..job("hold this")
        };
        Self {
            request,
            must_complete: vec![true],
        }
    }
}

fn part(number: usize, rng: &mut SeededRng) -> Subtask {
    let mut depends_on = Vec::new();
    for _ in 0..rng.within(0..3) {
        if number > 0 {
            let before = format!("part-{}", rng.within(0..number as u64));
            if !depends_on.contains(&before) {
                depends_on.push(before);
            }
        }
    }
    let needs_program = rng.one_in(PROGRAM_ODDS);
    let kind = match () {
        // A program knows nothing of fates.
        () if needs_program => PLAIN,
        () if rng.one_in(DOOMED_ODDS) => DOOMED,
        () if rng.one_in(FAILS_ONCE_ODDS) => FAILS_ONCE,
        () => PLAIN,
    };
    let executor = if needs_program {
        WorkerKind::Command
    } else {
        WorkerKind::Agent
    };
    let files = rng
        .one_in(FILES_ODDS)
        .then(|| format!("folder-{}/**", rng.within(0..FOLDERS)));
    Subtask {
        key: format!("part-{number}"),
        goal: format!("do part {number}"),
        kind: kind.into(),
        depends_on,
        files: files.into_iter().collect(),
        requirements: requires(executor),
        priority: u32::try_from(rng.within(0..101)).unwrap_or(0),
        ..Default::default()
    }
}

fn requires(executor: WorkerKind) -> Option<Requirements> {
    Some(Requirements {
        executor: executor.into(),
        capabilities: Vec::new(),
    })
}

fn inline_into_root(request: &mut SubmitTaskRequest, only: Subtask) {
    let files = only.files.into_iter();
    request.files = files
        .map(|path| FileHint {
            path,
            size_bytes: 0,
        })
        .collect();
    request.kind = only.kind;
    request.priority = only.priority;
    request.requirements = only.requirements;
}

/// Which parts must complete: all, unless one is doomed; then those that neither are nor depend on such, and that nobody
/// calls off.
fn outcomes(parts: &[Subtask], fails_fast: bool) -> Vec<bool> {
    let is_doomed = |part: &Subtask| part.kind == DOOMED;
    if fails_fast && parts.iter().any(is_doomed) {
        return vec![false; parts.len()];
    }
    let mut must = Vec::<bool>::with_capacity(parts.len());
    for part in parts {
        // Parts depend on earlier ones only.
        let stands = |key: &String| parts.iter().zip(&must).any(|(of, m)| of.key == *key && *m);
        must.push(!is_doomed(part) && part.depends_on.iter().all(stands));
    }
    must
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(key: &str, kind: &str, depends_on: &[&str]) -> Subtask {
        Subtask {
            kind: kind.into(),
            ..crate::tasks::subtask(key, depends_on)
        }
    }

    #[test]
    fn what_depends_on_the_doomed_is_not_expected() {
        let parts = [
            named("a", PLAIN, &[]),
            named("b", DOOMED, &["a"]),
            named("c", PLAIN, &["a"]),
            named("d", PLAIN, &["b", "c"]),
            named("e", PLAIN, &["d"]),
        ];
        assert_eq!(outcomes(&parts, false), [true, false, true, false, false]);
        assert_eq!(outcomes(&parts, true), [false; 5]);
    }

    #[test]
    fn the_same_seed_draws_the_same_graphs() {
        let draw = || {
            let graph = Graph::draw(&mut SeededRng::new(7));
            (graph.request.subtasks, graph.must_complete)
        };
        assert_eq!(draw(), draw());
    }
}
