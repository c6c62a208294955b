//! The tasks of one session: which are unfinished, and which of them a restore goes on with.

use std::borrow::Cow;

use shim_proto::checkpoint::v1::{OpenTask, Session, SessionTask};

use crate::figures::percent;
use crate::text::one_line;

const MAX_TASK_CHARACTERS: usize = 120;

/// The tasks that a session lists. One of a version that listed none has the task of its newest checkpoint.
#[must_use]
pub fn listed(session: &Session) -> Cow<'_, [SessionTask]> {
    if !session.tasks.is_empty() || session.head_number == 0 {
        return Cow::Borrowed(&session.tasks);
    }
    Cow::Owned(vec![SessionTask {
        task_key: "t1".into(),
        current_task: session.current_task.clone(),
        progress: session.progress,
        open_steps: session.open_steps,
        checkpoint_number: session.head_number,
        checkpoint_id: session.head_checkpoint_id.clone(),
        saved_at: session.last_checkpoint_at,
        ..SessionTask::default()
    }])
}

/// A task is finished when its progress is complete and no step is left.
#[must_use]
pub fn is_open(task: &SessionTask) -> bool {
    task.progress < 1.0 || task.open_steps > 0
}

/// The unfinished tasks, the one worked on last first.
#[must_use]
pub fn open(session: &Session) -> Vec<SessionTask> {
    let listed = listed(session);
    listed
        .iter()
        .filter(|task| is_open(task))
        .cloned()
        .collect()
}

/// The same, taken out of the session.
#[must_use]
pub fn take_open(session: &mut Session) -> Vec<SessionTask> {
    if session.tasks.is_empty() {
        return open(session);
    }
    let mut open = std::mem::take(&mut session.tasks);
    open.retain(is_open);
    open
}

/// Begins the key of a task that is shared with other workers.
pub const SHARED_TASK: &str = "task:";

/// The key of the task that is known from what a client told by itself, before the model tells one.
pub const OBSERVED_TASK: &str = "observed";

/// So many unfinished tasks are told with their steps. Of more, one cannot be read at a glance.
const MAX_WITH_STEPS: usize = 4;

/// How many of a session's unfinished tasks are told with their steps: all if they are few, else the first that is not
/// shared and those before it, since what is shared may have gone on elsewhere.
#[must_use]
pub fn told_with_steps(open: &[SessionTask]) -> usize {
    if open.len() <= MAX_WITH_STEPS {
        return open.len();
    }
    let is_shared = |task: &&SessionTask| task.task_key.starts_with(SHARED_TASK);
    open.iter().take_while(is_shared).count() + 1
}

/// Whether a task is unfinished.
#[must_use]
pub fn has_open(session: &Session) -> bool {
    listed(session).iter().any(is_open)
}

/// Whether an unfinished task names a step.
#[must_use]
pub fn has_open_steps(session: &Session) -> bool {
    let is_named = |task: &SessionTask| is_open(task) && task.open_steps > 0;
    listed(session).iter().any(is_named)
}

/// The task that a restore of the session goes on with: the one worked on last that is unfinished.
#[must_use]
pub fn to_go_on(session: &Session) -> Option<SessionTask> {
    listed(session).iter().find(|task| is_open(task)).cloned()
}

/// The unfinished tasks but for the one of this checkpoint.
#[must_use]
pub fn beside(open: &[OpenTask], checkpoint_id: &str) -> Vec<OpenTask> {
    let is_other = |open: &&OpenTask| {
        let task = open.task.as_ref();
        task.is_some_and(|task| task.checkpoint_id != checkpoint_id)
    };
    open.iter().filter(is_other).cloned().collect()
}

/// A task in a few words: `"port the lexer" (t1, 60 % done, 2 open step(s))`.
#[must_use]
pub fn phrase(task: &SessionTask) -> String {
    format!(
        "\"{}\" ({}, {} done, {} open step(s))",
        one_line(&task.current_task, MAX_TASK_CHARACTERS),
        one_line(&task.task_key, MAX_TASK_CHARACTERS),
        percent(task.progress),
        task.open_steps
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_lists_no_tasks_has_that_of_its_newest_checkpoint() {
        let old = Session {
            head_number: 3,
            current_task: "port the lexer".into(),
            progress: 0.6,
            open_steps: 2,
            ..Session::default()
        };
        let going_on = to_go_on(&old).map(|task| task.checkpoint_number);
        assert_eq!(going_on, Some(3));
        let finished = Session {
            progress: 1.0,
            open_steps: 0,
            ..old
        };
        assert_eq!(to_go_on(&finished), None);
        assert!(listed(&Session::default()).is_empty());
    }
}
