//! What the answer to a save says.

use super::*;

fn task(key: &str, text: &str, progress: f64) -> SessionTask {
    SessionTask {
        task_key: key.into(),
        current_task: text.into(),
        progress,
        open_steps: 1,
        ..SessionTask::default()
    }
}

#[test]
fn a_save_of_another_task_says_what_became_of_the_one_before_and_how_to_begin_anew() {
    let left = task("t1", "release 1.2", 0.6);
    let report = SaveReport {
        task: Some(task("t2", "write the docs", 0.1)),
        relation: TaskRelation::New.into(),
        left_task: Some(left.clone()),
        open_tasks: vec![left.clone(), task("t0", "older", 0.2)],
        ..SaveReport::default()
    };
    let lines = report_lines(&report).join("\n");
    for part in [
        "A new task (t2)",
        "nothing was carried over from the task before, \"release 1.2\" (t1, 60 % done",
        "task_key \"t1\" goes on with it",
        "closed_tasks [\"t1\"]",
        "session_id \"new\"",
        "Also unfinished in this session: \"older\"",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    let fields = Value::from(report_facts(Facts::new(), &report));
    assert_eq!(fields["left_task"]["is_open"], json!(true));
    assert_eq!(fields["task"]["relation"], json!("new"));
    assert!(
        fields["begin_anew"]
            .as_str()
            .is_some_and(|text| text.contains("\"new\""))
    );
    let back = SaveReport {
        left_task: Some(SessionTask {
            checkpoint_number: 4,
            ..left
        }),
        gone_back_number: 4,
        ..report.clone()
    };
    let lines = report_lines(&back).join("\n");
    assert!(lines.contains("(t1, 60 % done, 1 open step(s)) is back at checkpoint 4,"));
    let finished = SaveReport {
        open_tasks: Vec::new(),
        ..report
    };
    let lines = report_lines(&finished).join("\n");
    assert!(lines.contains("That one is finished."));
}

#[test]
fn what_changed_is_said_by_name_and_what_was_carried_over_by_number() {
    let report = SaveReport {
        relation: TaskRelation::Resumed.into(),
        task: Some(task("t1", "release", 0.5)),
        carried_from_number: 3,
        carried_over: Some(ItemCounts {
            decisions: 2,
            finished_steps: 1,
            ..ItemCounts::default()
        }),
        reopened_steps: vec!["run the tests".into()],
        dropped_steps: (0..7).map(|n| format!("step {n}")).collect(),
        unknown_decisions: vec!["tabs".into()],
        left_open_steps: vec!["ship".into()],
        unknown_steps: vec!["knit".into()],
        unknown_tasks: vec!["t9".into()],
        ..SaveReport::default()
    };
    let expected = "Back at the task t1 of this session, which was left unfinished.\
        \nCarried over from checkpoint 3 of this task: 2 decision(s), 1 finished step(s).\
        \nOpen again: \"run the tests\".\
        \nLeft open at the end, since no save named them as finished (completed_steps does): \"ship\".\
        \nNot planned any more (next_steps brings it back): \"step 0\", \"step 1\", \"step 2\", \"step 3\", \"step 4\", ....\
        \nNo such decision, nothing taken back: \"tabs\".\
        \nNo such step was planned, noted as dropped: \"knit\".\
        \nNo other task of this session to close, nothing closed (the answer's task and open_tasks have the keys): \"t9\".";
    assert_eq!(report_lines(&report).join("\n"), expected);
    let fields = Value::from(report_facts(Facts::new(), &report));
    assert_eq!(
        fields["carried_over"],
        json!({"decisions": 2, "finished_steps": 1, "from_checkpoint": 3})
    );
    assert_eq!(fields["changed"]["left_open_steps"], json!(["ship"]));
    let plain = SaveReport {
        relation: TaskRelation::Same.into(),
        carried_from_number: 3,
        carried_over: report.carried_over,
        ..SaveReport::default()
    };
    for plain in [plain, SaveReport::default()] {
        assert!(report_lines(&plain).is_empty());
        assert_eq!(Value::from(report_facts(Facts::new(), &plain)), json!({}));
    }
}
