//! Damage is logged and reported, never served; intact rows are carried over.

use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;
use shim_proto::checkpoint::v1::*;
use tonic::Code;

use crate::test_service::{TestService, refusal, state};

/// Flips a bit of one stored state, behind the service's back.
fn damage_state(database: &Path, number: u64) {
    let db = Connection::open(database).unwrap();
    let changed = db
        .execute(
            "UPDATE checkpoints SET state = substr(state, 1, length(state) - 1) || x'ff' WHERE number = ?1",
            [i64::try_from(number).unwrap()],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

async fn take_over(service: &mut TestService, session: &Session) -> RestoreCheckpointResponse {
    let request = RestoreCheckpointRequest {
        request_id: crate::test_service::id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    };
    let restored = service.api.restore_checkpoint(request).await;
    restored.unwrap().into_inner()
}

#[tokio::test]
async fn a_damaged_row_is_reported_and_the_one_before_it_restored() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for i in 1..=3 {
        service
            .save(&session, state(&format!("step {i}"), 0.5))
            .await
            .unwrap();
    }
    let mut service = service.restart(|database| damage_state(database, 3)).await;
    let get = |number| GetCheckpointRequest {
        session_id: session.id.clone(),
        number,
        ..Default::default()
    };
    assert_eq!(
        refusal(service.api.get_checkpoint(get(3)).await),
        (Code::DataLoss, "CHECKPOINT_DAMAGED".into())
    );
    let newest = service
        .api
        .get_checkpoint(get(0))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (newest.checkpoint.unwrap().number, newest.damaged_numbers),
        (2, vec![3])
    );
    let restored = take_over(&mut service, &session).await;
    assert!(
        restored.resume_prompt.contains("[3] are damaged"),
        "{}",
        restored.resume_prompt
    );
    let next = service
        .save(&restored.session.unwrap(), state("on", 0.6))
        .await
        .unwrap();
    assert_eq!(next.number, 4, "numbers go on after the damage");
}

#[tokio::test]
async fn a_header_changed_by_hand_is_not_listed() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for i in 1..=3 {
        service
            .save(&session, state(&format!("step {i}"), 0.5))
            .await
            .unwrap();
    }
    let tamper = |database: &Path| {
        let db = Connection::open(database).unwrap();
        db.execute("UPDATE checkpoints SET header = header || x'' , state_hash = zeroblob(32) WHERE number = 2", []).unwrap();
    };
    let mut service = service.restart(tamper).await;
    let list = ListCheckpointsRequest {
        session_id: session.id,
        ..Default::default()
    };
    let listed = service
        .api
        .list_checkpoints(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        listed
            .checkpoints
            .iter()
            .map(|c| c.number)
            .collect::<Vec<_>>(),
        [3, 1]
    );
    assert_eq!(listed.damaged_numbers, [2]);
}

#[tokio::test]
async fn an_id_that_leads_to_another_checkpoint_is_reported() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let mut ids = Vec::new();
    for i in 1..=2 {
        service
            .save(&session, state(&format!("step {i}"), 0.5))
            .await
            .unwrap();
        let newest = GetCheckpointRequest {
            session_id: session.id.clone(),
            ..Default::default()
        };
        let newest = service.api.get_checkpoint(newest).await.unwrap();
        ids.push(newest.into_inner().checkpoint.unwrap().id);
    }
    // As flipped bits in the index do: both rows are whole, each under the id of the other.
    let swap = |database: &Path| {
        let db = Connection::open(database).unwrap();
        db.execute_batch(
            "CREATE TEMP TABLE ids AS SELECT number, id FROM checkpoints;
             UPDATE checkpoints SET id = zeroblob(number);
             UPDATE checkpoints SET id = (SELECT id FROM ids WHERE ids.number = 3 - checkpoints.number);",
        )
        .unwrap();
    };
    let mut service = service.restart(swap).await;
    for checkpoint_id in ids {
        let get = GetCheckpointRequest {
            checkpoint_id,
            ..Default::default()
        };
        assert_eq!(
            refusal(service.api.get_checkpoint(get).await),
            (Code::DataLoss, "CHECKPOINT_DAMAGED".into())
        );
    }
}

#[tokio::test]
async fn a_number_that_leads_to_another_session_is_reported() {
    let mut service = TestService::start().await;
    let sessions = [
        service.open_session("/a").await,
        service.open_session("/b").await,
    ];
    for session in &sessions {
        for task in ["first", "second"] {
            service.save(session, state(task, 0.5)).await.unwrap();
        }
    }
    // As flipped bits in the index do: the rows are whole, each among those of the other session.
    let swap = |database: &Path| {
        let db = Connection::open(database).unwrap();
        db.execute_batch(
            "PRAGMA foreign_keys = OFF;
             UPDATE checkpoints SET session = -session WHERE number = 2;
             UPDATE checkpoints SET session = session + 3 WHERE session < 0;",
        )
        .unwrap();
    };
    let mut service = service.restart(swap).await;
    for session in sessions {
        let get = GetCheckpointRequest {
            session_id: session.id.clone(),
            number: 2,
            ..Default::default()
        };
        assert_eq!(
            refusal(service.api.get_checkpoint(get).await),
            (Code::DataLoss, "CHECKPOINT_DAMAGED".into())
        );
        let list = ListCheckpointsRequest {
            session_id: session.id.clone(),
            ..Default::default()
        };
        let listed = service
            .api
            .list_checkpoints(list)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(listed.damaged_numbers, [2]);
        let newest = GetCheckpointRequest {
            session_id: session.id,
            ..Default::default()
        };
        let newest = service
            .api
            .get_checkpoint(newest)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(newest.checkpoint.unwrap().number, 1);
    }
}

#[tokio::test]
async fn a_torn_database_is_set_aside_and_what_is_whole_is_carried_over() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for i in 1..=300 {
        let big = CheckpointState {
            summary: format!("{i} ").repeat(400),
            ..state(&format!("step {i}"), 0.5)
        };
        service.save(&session, big).await.unwrap();
    }
    let tear = |database: &Path| {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(database)
            .unwrap();
        let size = file.metadata().unwrap().len();
        assert!(size > 60 * 4096);
        for page in [20, 30, 31] {
            file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
        }
        file.set_len(size * 9 / 10).unwrap();
    };
    let mut service = service.restart(tear).await;
    let aside = std::fs::read_dir(service.folder.path())
        .unwrap()
        .any(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("damaged-")
        });
    assert!(aside, "the damaged file is kept");
    let listed = service.headers(&session.id).await;
    assert!(!listed.is_empty(), "something was carried over");
    for checkpoint in &listed {
        let state = service.content(&checkpoint.id).await;
        assert_eq!(state.current_task, format!("step {}", checkpoint.number));
    }
}

#[tokio::test]
async fn numbers_without_a_checkpoint_are_named_by_the_list_and_in_the_file() {
    let mut service = TestService::start().await;
    let (whole, torn) = (
        service.open_session("/p").await,
        service.open_session("/p").await,
    );
    for step in 1..=30 {
        for session in [&whole, &torn] {
            let state = state(&format!("step {step}"), 0.5);
            service.save(session, state).await.unwrap();
        }
    }
    let list = |check_numbers| ListSessionsRequest {
        check_numbers,
        ..Default::default()
    };
    let missing = |answer: ListSessionsResponse| answer.missing;
    let listed = service.api.list_sessions(list(true)).await.unwrap();
    assert!(missing(listed.into_inner()).is_empty());

    // The first, some in the middle, and the newest.
    let lose = |database: &Path| {
        let db = Connection::open(database).unwrap();
        let lost = db.execute(
            "DELETE FROM checkpoints WHERE session = 2 AND (number = 1 OR number BETWEEN 3 AND 26 OR number = 30)",
            [],
        );
        assert_eq!(lost.unwrap(), 26);
    };
    let mut service = service.restart(lose).await;
    let listed = service.api.list_sessions(list(true)).await.unwrap();
    let [told] = missing(listed.into_inner()).try_into().unwrap();
    assert_eq!(
        (told.session_id.as_str(), told.count),
        (torn.id.as_str(), 26)
    );
    let mut lowest = vec![1];
    lowest.extend(3..=21);
    assert_eq!(told.first_numbers, lowest);
    let in_file = shim_checkpoint::missing_numbers(service.folder.path()).unwrap();
    assert_eq!((in_file.len(), in_file[0].count), (1, 26));
    let unasked = service.api.list_sessions(list(false)).await.unwrap();
    assert!(missing(unasked.into_inner()).is_empty());

    let restored = take_over(&mut service, &torn).await;
    assert_eq!(
        restored.damaged_numbers,
        [30],
        "the newest is not passed over in silence"
    );
    let prompt = &restored.resume_prompt;
    assert!(prompt.contains("[30] are damaged or missing"), "{prompt}");
    let session = restored.session.unwrap();
    let next = service.save(&session, state("on", 0.6)).await.unwrap();
    assert_eq!(next.number, 31);
}

/// The session's row is lost, too: what is known of its newest number is what a damaged row says.
#[tokio::test]
async fn a_rescued_session_gives_no_lost_number_again_and_tells_what_is_missing() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for i in 1..=300 {
        let big = CheckpointState {
            summary: format!("{i} ").repeat(400),
            ..state(&format!("step {i}"), 0.5)
        };
        service.save(&session, big).await.unwrap();
    }
    let tear = |database: &Path| {
        let db = Connection::open(database).unwrap();
        db.execute_batch(
            "UPDATE sessions SET hash = zeroblob(32);
             UPDATE checkpoints SET hash = zeroblob(32) WHERE number > 298;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
        drop(db);
        let file = std::fs::OpenOptions::new().write(true).open(database);
        let file = file.unwrap();
        for page in [20, 30, 31] {
            file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
        }
    };
    let mut service = service.restart(tear).await;
    let list = ListSessionsRequest {
        check_numbers: true,
        ..Default::default()
    };
    let listed = service.api.list_sessions(list).await.unwrap().into_inner();
    let [rescued] = &listed.sessions[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (rescued.project.as_str(), rescued.head_number),
        ("(salvaged)", 300)
    );
    let present = service.headers(&session.id).await.len() as u64;
    assert_eq!(listed.missing[0].count, 300 - present);
    let restored = take_over(&mut service, &session).await;
    assert!(
        restored.damaged_numbers.starts_with(&[300, 299]),
        "{:?}",
        restored.damaged_numbers
    );
    let session = restored.session.unwrap();
    let next = service.save(&session, state("on", 0.6)).await.unwrap();
    assert_eq!(next.number, 301);
}
