//! States are packed beside the writer: no intent lets the writer's thread, for which all saves wait, compress one.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::*;
use shim_runtime::ids::SessionId;

use super::reading::CheckpointRef;
use super::{Owner, SaveOptions, Store};
use crate::domain::carry_over::Changes;
use crate::domain::risk::RiskLimits;

/// The names of the threads that packed a state in this process.
static PACKED_ON: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Called by the codec with every state it packs.
pub(super) fn note_thread() {
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    PACKED_ON.lock().unwrap().push(thread);
}

fn request(owner: Owner, task: &str, carry_over: bool) -> SaveCheckpointRequest {
    SaveCheckpointRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        session_id: owner.session.to_string(),
        epoch: owner.epoch.0,
        state: Some(CheckpointState {
            current_task: task.into(),
            decisions: vec![format!("decided {task}")],
            ..Default::default()
        }),
        carry_over,
        ..Default::default()
    }
}

async fn open(store: &Store) -> Owner {
    let opened = store.open_session(OpenSessionRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        project: "/p".into(),
        ..Default::default()
    });
    let session = opened.await.unwrap().session.unwrap();
    Owner::new(session.id.parse().unwrap(), session.epoch)
}

#[tokio::test]
async fn no_state_is_packed_on_the_writer_thread() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1, None).unwrap();
    let owner = open(&store).await;
    for (task, carry_over) in [("alone", false), ("merged", true)] {
        let request = request(owner, task, carry_over);
        let options = SaveOptions {
            owner,
            trigger: CheckpointTrigger::Manual,
            changes: Changes::default(),
        };
        store.save_checkpoint(options, request).await.unwrap();
    }
    let (head, state, _) = store
        .get_checkpoint(CheckpointRef::Newest(owner.session))
        .await
        .unwrap();
    assert_eq!(state.decisions, ["decided merged"], "of its own task");

    let danger = RecordSignalsRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        signals: Some(Signals {
            estimated_tokens: Some(190_000),
            context_window: Some(200_000),
            ..Default::default()
        }),
        ..Default::default()
    };
    let limits = RiskLimits::default();
    let recorded = store.record_signals(owner, &limits, danger);
    assert_eq!(recorded.await.unwrap().danger_checkpoint.unwrap().number, 3);
    let fork = ForkSessionRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        ..Default::default()
    };
    let forked = store.fork_session(head.id.parse().unwrap(), fork);
    assert_eq!(forked.await.unwrap().checkpoint.unwrap().number, 1);
    import_elsewhere(&store, owner.session).await;

    let packed_on = PACKED_ON.lock().unwrap().clone();
    assert!(
        packed_on.len() >= 4,
        "the test saw the states: {packed_on:?}"
    );
    let writer = format!("{}-writer", super::SCHEMA.name);
    assert!(!packed_on.contains(&writer), "{packed_on:?}");
}

/// Takes the session of `store` into a new database.
async fn import_elsewhere(store: &Store, session: SessionId) {
    let folder = tempfile::tempdir().unwrap();
    let other = Store::open(folder.path(), 1, None).unwrap();
    let stored = store.stored_session(session).await.unwrap();
    let page = store.archived_checkpoints(stored.row_id, 0, 10).await;
    let checkpoints = page.unwrap().into_iter();
    let mut records = vec![Record::Session(stored.session)];
    records.extend(checkpoints.map(|(_, archived)| Record::Checkpoint(archived.unwrap())));
    let spool = other.begin_import().await.unwrap();
    let spool = other.spool(spool, records).await.unwrap();
    let imported = other.import(spool).await.unwrap();
    assert_eq!(imported.imported_checkpoints, 3);
}
