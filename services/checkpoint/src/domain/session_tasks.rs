//! The tasks of one session: which of them a save is about, and what it makes of the list.
//!
//! (A) A client's own key decides. Else the same text is the same task, and a text that is alike is only if its progress
//! did not fall and its steps go on. Anything else is a new task. (B) An unfinished task is listed until it is saved as
//! finished or closed; a save of another task does not end it. (C) A finished task is not listed beside another one.

use shim_proto::checkpoint::v1::{Checkpoint, Session, SessionTask, TaskRelation};
use shim_proto::limits::checkpoint::MAX_SESSION_TASKS;
use shim_render::session_tasks::{is_open, listed};
use shim_render::wording::{is_same, normalised};

use super::hash_chain;

/// Begins the key of a task that is shared with other workers. Such a task is known by its key alone: another one with
/// the same text is another one.
const SHARED_TASK: &str = "task:";
/// So many of the other unfinished tasks are told; the rest is counted.
const MAX_TOLD: usize = 5;
/// Digits of a text's hash that are kept: they tell the few tasks of one session apart.
const TEXT_HASH_DIGITS: usize = 16;
/// A finished task whose progress is below this begins anew; above, it was not quite finished.
const BEGUN_ANEW: f64 = 0.5;

/// What a save says of its task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskName {
    /// The client's own key; "" for none.
    pub(crate) key: String,
    /// See [`text_hash`].
    pub(crate) text_hash: String,
    /// The start of its text.
    pub(crate) preview: String,
    pub(crate) progress: f64,
}

/// Which task a save is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TaskMatch {
    /// To be found by its key and its text alone.
    ByName,
    /// The task with this key.
    Known(String),
    /// One that the session does not know.
    New,
}

/// What a save made of the list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TaskChange {
    pub(crate) task: SessionTask,
    pub(crate) relation: TaskRelation,
    /// The task that the session was at before, if it was another one.
    pub(crate) left: Option<SessionTask>,
    /// The first of the other unfinished tasks.
    pub(crate) open: Vec<SessionTask>,
    /// How many other tasks are unfinished.
    pub(crate) open_count: usize,
    /// Unfinished tasks that fell off the list.
    pub(crate) unlisted: Vec<SessionTask>,
    /// Keys to be closed that no other task has.
    pub(crate) unknown: Vec<String>,
}

/// What the spellings of a task's text have in common.
pub(crate) fn text_hash(text: &str) -> String {
    let mut hash = hash_chain::hex(&hash_chain::hash(normalised(text).as_bytes()));
    hash.truncate(TEXT_HASH_DIGITS);
    hash
}

/// The session's tasks but for those that the save closes. It cannot close its own.
pub(crate) fn known(session: &Session, closed: &[String], own_key: &str) -> Vec<SessionTask> {
    let is_closed =
        |task: &SessionTask| task.task_key != own_key && closed.contains(&task.task_key);
    let listed = listed(session);
    let known = listed.iter().filter(|task| !is_closed(task));
    known.cloned().collect()
}

/// The same, taken out of the session.
fn take_known(session: &mut Session, closed: &[String], own_key: &str) -> Vec<SessionTask> {
    if session.tasks.is_empty() || !closed.is_empty() {
        return known(session, closed, own_key);
    }
    std::mem::take(&mut session.tasks)
}

/// The task of this name among those that are known.
pub(crate) fn find<'a>(known: &'a [SessionTask], name: &TaskName) -> Option<&'a SessionTask> {
    let has_text = |task: &&SessionTask| {
        let same = match task.text_hash.as_str() {
            "" => is_same(&task.current_task, &name.preview),
            // Older versions kept all digits.
            hash => hash.starts_with(&name.text_hash),
        };
        same && (is_open(task) || name.progress >= BEGUN_ANEW)
    };
    if name.key.is_empty() {
        let named = |task: &&SessionTask| !task.task_key.starts_with(SHARED_TASK) && has_text(task);
        return known.iter().find(named);
    }
    let by_key = known.iter().find(|task| task.task_key == name.key);
    // A task that had no key of its own takes the one that it is given now.
    by_key.or_else(|| {
        let unkeyed = |task: &&SessionTask| is_own_key(&task.task_key) && has_text(task);
        let shared = name.key.starts_with(SHARED_TASK);
        known.iter().find(unkeyed).filter(|_| !shared)
    })
}

/// Whether a save of an unknown text may be this known task in other words, as far as the texts say.
pub(crate) fn may_be_reworded(known: &SessionTask, name: &TaskName) -> bool {
    let by_text = name.key.is_empty() && !known.task_key.starts_with(SHARED_TASK);
    by_text && is_open(known) && name.progress >= known.progress
}

/// Whether the key was made here.
fn is_own_key(key: &str) -> bool {
    let number = key.strip_prefix('t');
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Puts the task that was saved first, keeps the unfinished ones behind it, and lets the others go.
pub(crate) fn advance(
    session: &mut Session,
    found: &TaskMatch,
    name: &TaskName,
    closed: &[String],
    saved: &Checkpoint,
    open_steps: u32,
) -> TaskChange {
    let mut unknown = unknown_keys(session, closed);
    let mut others = take_known(session, closed, &name.key);
    let earlier_key = earlier_key(&others, found, name);
    let relation = relation(&others, found, earlier_key.as_deref(), name);
    let is_same_task = |task: &SessionTask| Some(&task.task_key) == earlier_key.as_ref();
    let left = others.first().filter(|task| !is_same_task(task)).cloned();
    others.retain(|task| !is_same_task(task));
    let task_key = key_from_now_on(session, &others, name, earlier_key);
    if closed.contains(&task_key) && !unknown.contains(&task_key) {
        unknown.push(task_key.clone());
    }
    let task = saved_task(task_key, name, saved, open_steps);
    others.retain(is_open);
    let unlisted = others.split_off(others.len().min(MAX_SESSION_TASKS - 1));
    let open = others.iter().take(MAX_TOLD).cloned().collect();
    let open_count = others.len();
    others.insert(0, task.clone());
    session.tasks = others;
    TaskChange {
        task,
        relation,
        left,
        open,
        open_count,
        unlisted,
        unknown,
    }
}

/// The key that the task of a save had among those that are known, if it is one of them.
fn earlier_key(known: &[SessionTask], found: &TaskMatch, name: &TaskName) -> Option<String> {
    match found {
        TaskMatch::ByName => find(known, name).map(|task| task.task_key.clone()),
        TaskMatch::Known(key) => Some(key.clone()),
        TaskMatch::New => None,
    }
}

/// The key of a saved task: the client's own, else the earlier one, else the next of the session. Counts a task that begins.
fn key_from_now_on(
    session: &mut Session,
    others: &[SessionTask],
    name: &TaskName,
    earlier_key: Option<String>,
) -> String {
    if earlier_key.is_none() {
        session.tasks_begun += 1;
    }
    match (name.key.as_str(), earlier_key) {
        ("", Some(key)) => key,
        ("", None) => own_key(session, others),
        (given, _) => given.to_owned(),
    }
}

/// The task as the checkpoint leaves it.
fn saved_task(
    task_key: String,
    name: &TaskName,
    saved: &Checkpoint,
    open_steps: u32,
) -> SessionTask {
    SessionTask {
        task_key,
        current_task: name.preview.clone(),
        progress: saved.progress,
        open_steps,
        checkpoint_number: saved.number,
        checkpoint_id: saved.id.clone(),
        saved_at: saved.created_at,
        text_hash: name.text_hash.clone(),
    }
}

/// The keys that no task of the session has.
fn unknown_keys(session: &Session, closed: &[String]) -> Vec<String> {
    let all = listed(session);
    let is_unknown = |key: &&String| all.iter().all(|task| task.task_key != **key);
    closed.iter().filter(is_unknown).cloned().collect()
}

fn relation(
    known: &[SessionTask],
    found: &TaskMatch,
    earlier_key: Option<&str>,
    name: &TaskName,
) -> TaskRelation {
    let Some(key) = earlier_key else {
        return if known.is_empty() {
            TaskRelation::First
        } else {
            TaskRelation::New
        };
    };
    let by_name = || find(known, name).is_some_and(|task| task.task_key == key);
    if *found != TaskMatch::ByName && !by_name() {
        TaskRelation::Reworded
    } else if known.first().is_some_and(|task| task.task_key == key) {
        TaskRelation::Same
    } else {
        TaskRelation::Resumed
    }
}

/// The next key that no listed task has.
fn own_key(session: &mut Session, others: &[SessionTask]) -> String {
    loop {
        let key = format!("t{}", session.tasks_begun);
        if others.iter().all(|task| task.task_key != key) {
            return key;
        }
        session.tasks_begun += 1;
    }
}

/// A restore goes on with the task of this checkpoint: it is worked on last from now on.
pub(crate) fn go_on_with(session: &mut Session, checkpoint_id: &str) {
    let of_checkpoint = |task: &SessionTask| task.checkpoint_id == checkpoint_id;
    if let Some(position) = session.tasks.iter().position(of_checkpoint) {
        session.tasks[..=position].rotate_right(1);
    }
}

/// The numbers of the checkpoints that hold unfinished tasks: retention keeps their contents.
pub(crate) fn held_numbers(session: &Session) -> Vec<u64> {
    let open = session.tasks.iter().filter(|task| is_open(task));
    open.map(|task| task.checkpoint_number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str, text: &str, progress: f64) -> TaskName {
        TaskName {
            key: key.into(),
            text_hash: text_hash(text),
            preview: text.into(),
            progress,
        }
    }

    /// Saves these (key, text, progress) one after the other, by their names alone.
    fn saved(saves: &[(&str, &str, f64)], closed: &[String]) -> (Session, TaskChange) {
        let mut session = Session::default();
        let mut change = TaskChange::default();
        for (number, (key, text, progress)) in (1..).zip(saves) {
            let checkpoint = Checkpoint {
                id: format!("c{number}"),
                number,
                progress: *progress,
                ..Checkpoint::default()
            };
            let name = name(key, text, *progress);
            let found = TaskMatch::ByName;
            change = advance(&mut session, &found, &name, closed, &checkpoint, 0);
            session.head_number = number;
        }
        (session, change)
    }

    #[test]
    fn a_save_is_about_the_task_of_its_key_or_of_its_text() {
        use TaskRelation::{First, New, Resumed, Same};
        for (saves, relation, keys) in [
            (&[("", "a job", 0.1)][..], First, &["t1"][..]),
            (&[("", "a job", 0.3), ("", "A  job.", 0.2)], Same, &["t1"]),
            (&[("", "a job", 0.3), ("", "tea", 1.0)], New, &["t2", "t1"]),
            (
                &[("", "a job", 0.3), ("", "tea", 1.0), ("", "a job", 0.4)],
                Resumed,
                &["t1"],
            ),
            (
                &[("", "a job", 0.3), ("", "tea", 0.2), ("", "a job", 1.0)],
                Resumed,
                &["t1", "t2"],
            ),
            (&[("", "a job", 1.0), ("", "tea", 0.2)], New, &["t2"]),
            (&[("", "a job", 1.0), ("", "a job", 0.1)], New, &["t2"]),
            (&[("", "a job", 1.0), ("", "a job", 0.9)], Same, &["t1"]),
            (&[("k", "a job", 0.3), ("k", "tea", 0.1)], Same, &["k"]),
            (
                &[("k", "a job", 0.3), ("l", "a job", 0.4)],
                New,
                &["l", "k"],
            ),
            (&[("", "a job", 0.3), ("k", "a job", 0.4)], Same, &["k"]),
            (
                &[("", "a job", 0.3), ("task:1", "a job", 0.4)],
                New,
                &["task:1", "t1"],
            ),
            (
                &[("task:1", "a job", 0.3), ("", "a job", 0.4)],
                New,
                &["t2", "task:1"],
            ),
        ] {
            let (session, change) = saved(saves, &[]);
            let found: Vec<&str> = session
                .tasks
                .iter()
                .map(|task| task.task_key.as_str())
                .collect();
            assert_eq!(
                (change.relation, found.as_slice()),
                (relation, keys),
                "{saves:?}"
            );
        }
    }

    #[test]
    fn a_task_that_was_left_stays_until_it_is_closed() {
        let saves = [("", "a job", 0.3), ("", "tea", 1.0)];
        let (session, change) = saved(&saves, &[]);
        assert_eq!(change.left.map(|task| task.task_key), Some("t1".into()));
        assert_eq!(held_numbers(&session), [1]);
        let (session, change) = saved(&saves, &["t1".into()]);
        assert_eq!((session.tasks.len(), change.left), (1, None));
        let many: Vec<String> = (0..MAX_SESSION_TASKS + 1)
            .map(|n| format!("job number {n}"))
            .collect();
        let many: Vec<_> = many.iter().map(|text| ("", text.as_str(), 0.5)).collect();
        let (session, change) = saved(&many, &[]);
        assert_eq!(session.tasks.len(), MAX_SESSION_TASKS);
        assert_eq!(change.unlisted.len(), 1, "what falls off the list is told");
    }

    #[test]
    fn keys_to_be_closed_that_no_other_task_has_are_told() {
        let closed = ["t1", "t2", "nope"].map(str::to_owned);
        let (_, change) = saved(&[("", "a job", 0.3), ("", "tea", 0.2)], &closed);
        // The second save is a task of its own, after the first one is closed.
        assert_eq!(change.unknown, ["t2", "nope"]);
        let own = ["mine".to_owned()];
        let (session, change) = saved(&[("mine", "a job", 0.3)], &own);
        assert_eq!(change.unknown, ["mine"]);
        assert_eq!(session.tasks.len(), 1, "a save does not close its own task");
    }

    #[test]
    fn a_restored_task_is_the_one_worked_on_last() {
        let (mut session, _) = saved(
            &[("", "a job", 0.3), ("", "tea", 0.1), ("", "jam", 0.1)],
            &[],
        );
        go_on_with(&mut session, "c1");
        let order: Vec<&str> = session
            .tasks
            .iter()
            .map(|task| task.task_key.as_str())
            .collect();
        assert_eq!(order, ["t1", "t3", "t2"]);
    }
}
