//! What a sequence of saves makes of the list.

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
        (
            &[("", "a job", 0.3), ("k", "a job", 0.4)],
            New,
            &["k", "t1"],
        ),
        (&[("", "a job", 0.3), ("t1", "tea", 0.1)], Same, &["t1"]),
        (
            &[("", "a job", 0.3), ("k", "a job", 0.1), ("t1", "tea", 0.4)],
            Resumed,
            &["t1", "k"],
        ),
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

/// Saves "a job" and then "a job, too" as the same task, both without a key.
fn reworded() -> Session {
    let (mut session, _) = saved(&[("", "a job", 0.3)], &[]);
    let found = TaskMatch::Known(KnownTask {
        task_key: "t1".into(),
        known_by: KnownBy::Likeness,
    });
    let change = save(&mut session, &found, &name("", "a job, too", 0.5));
    assert_eq!(change.relation, TaskRelation::Reworded);
    session
}

fn save(session: &mut Session, found: &TaskMatch, name: &TaskName) -> TaskChange {
    let number = session.head_number + 1;
    let checkpoint = Checkpoint {
        id: format!("c{number}"),
        number,
        progress: name.progress,
        ..Checkpoint::default()
    };
    session.head_number = number;
    advance(session, found, name, &[], &checkpoint, 1)
}

#[test]
fn a_text_that_was_taken_for_a_task_leaves_it_under_a_key_of_its_own() {
    let mut session = reworded();
    assert_eq!(held_numbers(&session), [2, 1]);
    // Saves of the same text leave the choice.
    save(
        &mut session,
        &TaskMatch::ByName,
        &name("", "a job, too", 0.6),
    );
    let change = save(
        &mut session,
        &TaskMatch::New,
        &name("mine", "A job, too", 0.5),
    );
    assert_eq!(
        (change.relation, change.gone_back_number),
        (TaskRelation::New, 1)
    );
    let left = change.left.unwrap_or_default();
    assert_eq!(
        (left.task_key.as_str(), left.current_task.as_str()),
        ("t1", "a job")
    );
    assert_eq!((left.checkpoint_id.as_str(), left.progress), ("c1", 0.3));
    let change = save(&mut session, &TaskMatch::ByName, &name("t1", "any", 0.4));
    assert_eq!(change.relation, TaskRelation::Resumed);
}

#[test]
fn a_task_whose_key_was_named_stays_what_it_is() {
    let mut session = reworded();
    save(
        &mut session,
        &TaskMatch::ByName,
        &name("t1", "a job, too", 0.6),
    );
    let change = save(
        &mut session,
        &TaskMatch::ByName,
        &name("mine", "a job, too", 0.5),
    );
    assert_eq!(change.gone_back_number, 0);
    let texts: Vec<&str> = session
        .tasks
        .iter()
        .map(|task| task.current_task.as_str())
        .collect();
    assert_eq!(texts, ["a job, too", "a job, too"]);
}
