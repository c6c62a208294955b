//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::checkpoint::v1::{
    CheckpointState, DiffCheckpointsResponse, FieldChange, FilePresence, FileState,
    GetCheckpointResponse, GitState, ListCheckpointsResponse, ListSessionsResponse,
    SearchCheckpointsResponse, SearchHit,
};

use super::{diff, list, search, show};
use crate::samples::{ago, both_faces, checkpoint, id, new_session, printed, session};

#[test]
fn list() {
    let listed = ListSessionsResponse {
        sessions: vec![session(), new_session()],
        ..ListSessionsResponse::default()
    };
    assert_snapshot!(both_faces(&listed, |out| list::print(
        &listed.sessions,
        out
    )));
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], out)));
}

#[test]
fn show() {
    let found = GetCheckpointResponse {
        checkpoint: Some(checkpoint()),
        state: Some(CheckpointState {
            current_task: "Add a token-bucket\nrate limiter".into(),
            progress: 0.6,
            decisions: vec!["Token bucket, not sliding window".into()],
            active_files: vec![
                FileState {
                    path: "src/limiter.rs".into(),
                    presence: FilePresence::Present.into(),
                    size_bytes: 1_200,
                    ..FileState::default()
                },
                FileState {
                    path: "src/old.rs".into(),
                    presence: FilePresence::Missing.into(),
                    ..FileState::default()
                },
            ],
            completed_steps: vec!["Write the refill".into()],
            next_steps: vec!["Limit each client on its own".into(), "Answer 429".into()],
            summary: "The refill is written;\nlimits per client are missing.".into(),
            git: Some(GitState {
                head: "5f3a9c1".into(),
                branch: "main".into(),
                ..GitState::default()
            }),
            ..CheckpointState::default()
        }),
        damaged_numbers: vec![3],
    };
    let mut first = checkpoint();
    (first.number, first.created_at, first.thinned_at) = (1, ago(3_600), ago(60));
    let history = ListCheckpointsResponse {
        checkpoints: vec![checkpoint(), first],
        next_page_token: "more".into(),
        damaged_numbers: vec![3],
        missing_numbers: vec![6],
    };
    let print = |out: &mut dyn std::io::Write| show::print(&session(), Some(&found), &history, out);
    assert_snapshot!(both_faces(&found, print));
    let none = ListCheckpointsResponse::default();
    let print = |out: &mut dyn std::io::Write| show::print(&new_session(), None, &none, out);
    assert_snapshot!("show_without_a_checkpoint", printed(print));
}

#[test]
fn search() {
    let found = SearchCheckpointsResponse {
        hits: vec![SearchHit {
            checkpoint: Some(checkpoint()),
            snippet: "a [token bucket] for each client".into(),
            session_title: "Limits".into(),
            project: "/home/me/rate-limiter".into(),
        }],
        ..SearchCheckpointsResponse::default()
    };
    assert_snapshot!(both_faces(&found, |out| search::print(&found.hits, out)));
    assert_snapshot!(
        "search_without_a_hit",
        printed(|out| search::print(&[], out))
    );
}

#[test]
fn diff() {
    let diff = DiffCheckpointsResponse {
        changes: vec![
            FieldChange {
                field: "progress".into(),
                before: "0.2".into(),
                after: "0.6".into(),
                ..FieldChange::default()
            },
            FieldChange {
                field: "next_steps".into(),
                added: vec!["Answer 429".into()],
                removed: vec!["Write the refill".into()],
                ..FieldChange::default()
            },
        ],
    };
    assert_snapshot!(both_faces(&diff, |out| diff::print(&diff.changes, out)));
    assert_snapshot!("diff_of_equals", printed(|out| diff::print(&[], out)));
}

#[test]
fn the_samples_are_of_one_story() {
    assert_eq!(checkpoint().session_id, session().id);
    assert_eq!(session().id, id(1));
}
