//! The tasks of one session: which of them a save is about, and what it makes of the list.
//!
//! (A) A client's own key decides: one that no task has begins another task, whatever its text. Without a key the same text
//! is the same task, and a text that is alike is only if its progress did not fall and its steps go on. Anything else is a
//! new task; one that is shared with other workers is known by its key alone. (B) An unfinished task is listed until it is saved as
//! finished or closed; a save of another task does not end it. (C) A finished task is not listed beside another one.

use shim_proto::checkpoint::v1::{Checkpoint, EarlierWording, Session, SessionTask, TaskRelation};
use shim_proto::limits::checkpoint::MAX_SESSION_TASKS;
use shim_render::session_tasks::{OBSERVED_TASK, SHARED_TASK, is_open, listed};
use shim_render::wording::{is_same, normalised};

use super::hash_chain;

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
    Known(KnownTask),
    /// One that the session does not know.
    New,
}

impl TaskMatch {
    /// Whether it is known by a text that is alike.
    pub(crate) fn is_by_likeness(&self) -> bool {
        matches!(self, Self::Known(found) if found.known_by == KnownBy::Likeness)
    }
}

/// A listed task that a save is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownTask {
    pub(crate) task_key: String,
    pub(crate) known_by: KnownBy,
}

/// What tells that a save is about a listed task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum KnownBy {
    Key,
    Text,
    /// Its text is another one that is alike.
    Likeness,
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
    /// The checkpoint that another task went back to; 0 for none.
    pub(crate) gone_back_number: u64,
}

/// What the spellings of a task's text have in common.
pub(crate) fn text_hash(text: &str) -> String {
    let mut hash = hash_chain::hex(&hash_chain::hash(normalised(text).as_bytes()));
    hash.truncate(TEXT_HASH_DIGITS);
    hash
}

/// The session's tasks but for those that the save closes. It cannot close its own. What was told ends the task that was
/// only observed.
pub(crate) fn known(session: &Session, closed: &[String], own_key: &str) -> Vec<SessionTask> {
    let is_closed = |task: &SessionTask| {
        let is_closed = closed.contains(&task.task_key) || task.task_key == OBSERVED_TASK;
        task.task_key != own_key && is_closed
    };
    let listed = listed(session);
    let known = listed.iter().filter(|task| !is_closed(task));
    known.cloned().collect()
}

/// The same, taken out of the session.
fn take_known(session: &mut Session, closed: &[String], own_key: &str) -> Vec<SessionTask> {
    let is_observed = |task: &SessionTask| task.task_key == OBSERVED_TASK;
    let closes = !closed.is_empty() || session.tasks.iter().any(is_observed);
    if session.tasks.is_empty() || closes {
        return known(session, closed, own_key);
    }
    std::mem::take(&mut session.tasks)
}

/// The task of this name among those that are known. A key is never given to a task that has another one.
pub(crate) fn find<'a>(
    known: &'a [SessionTask],
    name: &TaskName,
) -> Option<(&'a SessionTask, KnownBy)> {
    if !name.key.is_empty() {
        let by_key = known.iter().find(|task| task.task_key == name.key);
        return by_key.map(|task| (task, KnownBy::Key));
    }
    let named = |task: &&SessionTask| {
        let goes_on = is_open(task) || name.progress >= BEGUN_ANEW;
        goes_on && !task.task_key.starts_with(SHARED_TASK) && has_text(task, name)
    };
    let by_text = known.iter().find(named);
    by_text.map(|task| (task, KnownBy::Text))
}

/// Whether the task has the text of the save.
fn has_text(task: &SessionTask, name: &TaskName) -> bool {
    match task.text_hash.as_str() {
        "" => is_same(&task.current_task, &name.preview),
        // Older versions kept all digits.
        hash => hash.starts_with(&name.text_hash),
    }
}

/// Whether a save of an unknown text may be this known task in other words, as far as the texts say.
pub(crate) fn may_be_reworded(known: &SessionTask, name: &TaskName) -> bool {
    let by_text = name.key.is_empty() && !known.task_key.starts_with(SHARED_TASK);
    by_text && is_open(known) && name.progress >= known.progress
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
    let found = resolved(&others, found, name);
    let relation = relation(&others, found.as_ref());
    let gone_back_number = go_back(&mut others, name, found.is_none());
    let (left, earlier) = take_earlier(&mut others, found.as_ref());
    let task = SessionTask {
        task_key: key_from_now_on(session, &others, name, found.as_ref()),
        before_rewording: before_rewording(earlier, found.as_ref()),
        ..saved_task(name, saved, open_steps)
    };
    if closed.contains(&task.task_key) && !unknown.contains(&task.task_key) {
        unknown.push(task.task_key.clone());
    }
    others.retain(is_open);
    let unlisted = others.split_off(others.len().min(MAX_SESSION_TASKS - 1));
    let change = TaskChange {
        task: task.clone(),
        relation,
        left,
        open: others.iter().take(MAX_TOLD).cloned().collect(),
        open_count: others.len(),
        unlisted,
        unknown,
        gone_back_number,
    };
    others.insert(0, task);
    session.tasks = others;
    change
}

/// The task worked on last if it is another one, and the task of the save as it was, which is taken out.
fn take_earlier(
    others: &mut Vec<SessionTask>,
    found: Option<&KnownTask>,
) -> (Option<SessionTask>, Option<SessionTask>) {
    let is_found = |task: &SessionTask| found.is_some_and(|it| it.task_key == task.task_key);
    let left = others.first().filter(|task| !is_found(task)).cloned();
    let earlier = others.iter().position(is_found);
    (left, earlier.map(|place| others.remove(place)))
}

/// The task that a save is about, if it is one of those that are known.
fn resolved(known: &[SessionTask], found: &TaskMatch, name: &TaskName) -> Option<KnownTask> {
    match found {
        TaskMatch::ByName => find(known, name).map(|(task, known_by)| KnownTask {
            task_key: task.task_key.clone(),
            known_by,
        }),
        TaskMatch::Known(found) => Some(found.clone()),
        TaskMatch::New => None,
    }
}

/// A text that was taken for a known task and comes again under a new key is another task: the known one goes back to the
/// checkpoint before. Returns that checkpoint's number, 0 for none.
fn go_back(known: &mut [SessionTask], name: &TaskName, is_new: bool) -> u64 {
    if name.key.is_empty() || !is_new {
        return 0;
    }
    let taken = known.iter_mut().filter(|task| has_text(task, name));
    for task in taken {
        if let Some(before) = task.before_rewording.take() {
            task.current_task = before.current_task;
            task.progress = before.progress;
            task.open_steps = before.open_steps;
            task.checkpoint_number = before.checkpoint_number;
            task.checkpoint_id = before.checkpoint_id;
            task.saved_at = before.saved_at;
            task.text_hash = before.text_hash;
            return task.checkpoint_number;
        }
    }
    0
}

/// What the task goes back to if its text turns out to be another task's. A save by its key says that it is this one.
fn before_rewording(
    earlier: Option<SessionTask>,
    found: Option<&KnownTask>,
) -> Option<EarlierWording> {
    let earlier = earlier?;
    match found?.known_by {
        KnownBy::Key => None,
        KnownBy::Text => earlier.before_rewording,
        KnownBy::Likeness => Some(EarlierWording {
            current_task: earlier.current_task,
            progress: earlier.progress,
            open_steps: earlier.open_steps,
            checkpoint_number: earlier.checkpoint_number,
            checkpoint_id: earlier.checkpoint_id,
            saved_at: earlier.saved_at,
            text_hash: earlier.text_hash,
        }),
    }
}

/// The key of a saved task: the one that it has, else the client's own, else the next of the session. Counts a task that
/// begins.
fn key_from_now_on(
    session: &mut Session,
    others: &[SessionTask],
    name: &TaskName,
    found: Option<&KnownTask>,
) -> String {
    if let Some(found) = found {
        return found.task_key.clone();
    }
    if name.key == OBSERVED_TASK {
        return name.key.clone();
    }
    session.tasks_begun += 1;
    match name.key.as_str() {
        "" => own_key(session, others),
        given => given.to_owned(),
    }
}

/// The task as the checkpoint leaves it, without its key.
fn saved_task(name: &TaskName, saved: &Checkpoint, open_steps: u32) -> SessionTask {
    SessionTask {
        current_task: name.preview.clone(),
        progress: saved.progress,
        open_steps,
        checkpoint_number: saved.number,
        checkpoint_id: saved.id.clone(),
        saved_at: saved.created_at,
        text_hash: name.text_hash.clone(),
        ..SessionTask::default()
    }
}

/// The keys that no task of the session has.
fn unknown_keys(session: &Session, closed: &[String]) -> Vec<String> {
    let all = listed(session);
    let is_unknown = |key: &&String| all.iter().all(|task| task.task_key != **key);
    closed.iter().filter(is_unknown).cloned().collect()
}

fn relation(known: &[SessionTask], found: Option<&KnownTask>) -> TaskRelation {
    let first = known.first().map(|task| task.task_key.as_str());
    match (found, first) {
        (None, None) => TaskRelation::First,
        (None, Some(_)) => TaskRelation::New,
        (Some(found), _) if found.known_by == KnownBy::Likeness => TaskRelation::Reworded,
        (Some(found), Some(first)) if found.task_key == first => TaskRelation::Same,
        (Some(_), _) => TaskRelation::Resumed,
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

/// The numbers of the checkpoints that hold unfinished tasks, and of those that a task may go back to: retention keeps their
/// contents.
pub(crate) fn held_numbers(session: &Session) -> Vec<u64> {
    let open = session.tasks.iter().filter(|task| is_open(task));
    let before = session
        .tasks
        .iter()
        .filter_map(|task| task.before_rewording.as_ref());
    let before = before.map(|before| before.checkpoint_number);
    open.map(|task| task.checkpoint_number)
        .chain(before)
        .collect()
}

#[cfg(test)]
mod tests;
