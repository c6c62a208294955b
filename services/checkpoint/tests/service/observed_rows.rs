//! How what was observed lies in the database: without secrets, within bounds, verified, carried over.

use std::os::unix::fs::FileExt;

use rusqlite::Connection;
use shim_checkpoint::database_path;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::*;

use crate::observed_events::Client;
use crate::test_service::{TestService, id};
use crate::verifying::{copied, open, told, whole};

#[tokio::test]
async fn secrets_in_events_are_never_stored() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let secret = format!(
        "ghp_{}",
        "a1B2c3D4e5F6g7H8i9J0".repeat(2).get(..36).unwrap()
    );
    let events = vec![
        client.prompt(&format!("use {secret} to push")),
        client.begin("a", &format!("git push https://x:{secret}@github.com")),
        client.end_turn(&format!("pushed with {secret}")),
    ];
    let session = service.tell(events).await;
    let (observed, events) = service.observed(&session.id).await;
    let all = format!("{observed:?} {events:?}");
    assert!(!all.contains(&secret), "{all}");
    let database = std::fs::read(database_path(service.folder.path())).unwrap();
    let log = database_path(service.folder.path()).with_extension("db-wal");
    let log = std::fs::read(log).unwrap_or_default();
    for bytes in [database, log] {
        let secret = secret.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
}

#[tokio::test]
async fn events_are_kept_within_bounds_and_those_dropped_have_no_second_effect() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let mut all = vec![client.prompt("p")];
    for call in 0..1_500 {
        all.push(client.begin(&call.to_string(), "/p/a"));
        all.push(client.finish(&call.to_string(), "/p/a"));
    }
    for part in all.chunks(1_000) {
        service.tell(part.to_vec()).await;
    }
    let session = service.all_sessions().await.swap_remove(0);
    let (before, _) = service.observed(&session.id).await;
    assert_eq!(
        (before.tool_calls, before.edited_files[0].edits),
        (1_500, 1_500)
    );
    let db = open(service.folder.path());
    let rows: i64 = db
        .query_row("SELECT count(*) FROM observed_events", [], |row| row.get(0))
        .unwrap();
    assert!((2_000..=2_201).contains(&rows), "{rows}");
    for part in all.chunks(1_000) {
        let told = service.report(part.to_vec()).await.unwrap();
        assert_eq!(told.repeated, u32::try_from(part.len()).unwrap());
    }
    let mut again = all[1].clone();
    again.event_id = id();
    let told = service.report(vec![again]).await.unwrap();
    assert_eq!(told.repeated, 1, "a transcript that tells of it again");
    assert_eq!(service.observed(&session.id).await.0, before);
    assert_eq!(whole(service.folder.path()).fault_count, 0);
}

#[tokio::test]
async fn what_changes_behind_the_service_is_told_and_begins_anew() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let done = Event::CompactionFinished(CompactionFinished {
        summary: "what was done".into(),
        ..CompactionFinished::default()
    });
    let long = Event::PromptSubmitted(PromptSubmitted {
        prompt_id: "p1".into(),
        text: format!("{}{}", " ".repeat(700), "long prompt ".repeat(400)),
        ..PromptSubmitted::default()
    });
    let events = vec![
        client.prompt("p"),
        client.event(long),
        client.begin("a", "/p/a"),
        client.event(done),
    ];
    let session = service.tell(events).await;
    let clean = whole(service.folder.path());
    assert_eq!(clean.fault_count, 0, "{}", told(&clean));
    for (sql, fault) in [
        (
            "UPDATE conversations SET session = 9",
            "of no session, in row 9",
        ),
        (
            "UPDATE observations SET record = x'00'",
            "what was observed of it is damaged",
        ),
        ("DELETE FROM observations", "and it has no observation"),
        (
            "UPDATE compaction_summaries SET text = 'x'",
            "summary of its last compaction is damaged",
        ),
        (
            "DELETE FROM observed_events WHERE half IS NULL",
            "its observation says 4",
        ),
        (
            "UPDATE observed_events SET id = randomblob(16) WHERE row_id = 1",
            "its column id",
        ),
        ("UPDATE observed_events SET half = NULL", "its column half"),
        (
            "UPDATE observed_events SET happened_at = 1 WHERE row_id = 1",
            "its column happened_at",
        ),
        (
            "UPDATE observed_events SET record = x'0a' WHERE row_id = 1",
            "in row 1 is damaged",
        ),
    ] {
        let copy = copied(service.folder.path());
        open(copy.path()).execute(sql, []).unwrap();
        let report = whole(copy.path());
        assert!(told(&report).contains(fault), "{sql}: {}", told(&report));
    }
    let damage = |database: &std::path::Path| {
        let db = Connection::open(database).unwrap();
        db.execute("UPDATE observations SET record = x'00'", [])
            .unwrap();
    };
    let mut service = service.restart(damage).await;
    let later = service.tell(vec![client.prompt("q")]).await;
    assert_eq!(later.id, session.id);
    assert_eq!(service.observed(&session.id).await.0.last_prompt, "q");
}

#[tokio::test]
async fn a_database_of_an_older_version_knows_its_conversations_and_loses_none() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let session = service.open_as(client.gateway()).await;
    let service = service
        .restart(|database| {
            let db = Connection::open(database).unwrap();
            db.execute_batch(
                "DROP TABLE conversations; DROP TABLE conversations_filled; DROP TABLE observations;
                 DROP TABLE segments; DROP TABLE segment_copies; DROP TABLE compaction_summaries; DROP TABLE observed_events; PRAGMA user_version = 2",
            )
            .unwrap();
        })
        .await;
    let mut service = service;
    let seen = service.tell(vec![client.prompt("p")]).await;
    assert_eq!(seen.id, session.id);
    let deleted = DeleteSessionRequest {
        request_id: id(),
        session_id: session.id,
        force: true,
    };
    service.api.delete_session(deleted).await.unwrap();
    let db = open(service.folder.path());
    for table in ["conversations", "observations", "observed_events"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn a_torn_database_keeps_what_was_observed() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let done = Event::CompactionFinished(CompactionFinished {
        summary: "what was done".into(),
        ..CompactionFinished::default()
    });
    let mut events = vec![client.prompt("p"), client.event(done)];
    for call in 0..300 {
        events.push(client.finish(&call.to_string(), "/p/a"));
    }
    let session = service.tell(events.clone()).await;
    let before = service.observed(&session.id).await;
    let tear = |database: &std::path::Path| {
        let db = Connection::open(database).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sessions_by_project'";
        let page: u32 = db.query_row(sql, [], |row| row.get(0)).unwrap();
        let size: u32 = db
            .query_row("PRAGMA page_size", [], |row| row.get(0))
            .unwrap();
        drop(db);
        let file = std::fs::File::options().write(true).open(database).unwrap();
        let garbage = vec![0xa5; usize::try_from(size).unwrap()];
        file.write_all_at(&garbage, u64::from(page - 1) * u64::from(size))
            .unwrap();
    };
    let mut service = service.restart(tear).await;
    let folder = std::fs::read_dir(service.folder.path()).unwrap();
    let mut names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| name.contains("damaged-")), "it was torn");
    assert_eq!(service.observed(&session.id).await, before);
    assert_eq!(whole(service.folder.path()).fault_count, 0);
    let again = service.report(events).await.unwrap();
    assert_eq!((again.kept, again.repeated), (0, 302));
    let later = service.tell(vec![client.prompt("q")]).await;
    assert_eq!(later.id, session.id, "its conversation is known");
}
