//! What was changed, taken away or put back behind the service's back is told, all of it, and nothing else is.

use std::path::Path;

use rusqlite::Connection;
use shim_checkpoint::{SealVerdict, VerifyReport, VerifyScope, database_path, verify};
use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, id, state};

/// Sessions in rows 1 and 3, one between them was deleted; with signals, restores and dropped contents.
pub(crate) async fn fill(service: &mut TestService) -> [Session; 2] {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(service.open_session("/p").await);
    }
    for session in &sessions {
        service.save_steps(session, 6).await;
        for messages in 1..=3 {
            service.record_signals(session, Some(messages)).await;
        }
    }
    service.keep_last(4).await;
    let delete = DeleteSessionRequest {
        request_id: id(),
        session_id: sessions[1].id.clone(),
        force: true,
    };
    service.api.delete_session(delete).await.unwrap();
    let restore = RestoreCheckpointRequest {
        request_id: id(),
        session_id: sessions[0].id.clone(),
        take_over: true,
        ..Default::default()
    };
    service.api.restore_checkpoint(restore).await.unwrap();
    // A search brings the full-text index up to date.
    let search = SearchCheckpointsRequest {
        query: "step".into(),
        ..Default::default()
    };
    service.api.search_checkpoints(search).await.unwrap();
    let last = sessions.pop().unwrap();
    [sessions.swap_remove(0), last]
}

/// A copy of the data folder, without the service.
pub(crate) fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let target = database_path(copy.path()).display().to_string();
    let db = Connection::open(database_path(folder)).unwrap();
    db.execute("VACUUM INTO ?1", [target]).unwrap();
    copy
}

pub(crate) fn open(folder: &Path) -> Connection {
    let db = Connection::open(database_path(folder)).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db
}

pub(crate) fn whole(folder: &Path) -> VerifyReport {
    verify(folder, &VerifyScope::default()).unwrap()
}

pub(crate) fn told(report: &VerifyReport) -> String {
    let lines = report
        .faults
        .iter()
        .map(|fault| format!("{} {}", fault.session, fault.what));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_change_of_every_table_is_told_and_the_reading_goes_on() {
    let mut service = TestService::start().await;
    let [first, _] = fill(&mut service).await;
    let clean = whole(service.folder.path());
    assert_eq!(clean.fault_count, 0, "{}", told(&clean));
    assert_eq!(
        (clean.sessions, clean.checkpoints, clean.signals),
        (2, 12, 6)
    );
    assert_eq!(clean.seals, SealVerdict::None);
    for (sql, fault) in [
        (
            "DELETE FROM checkpoints WHERE session = 1 AND number = 1",
            "#1 is missing",
        ),
        (
            "DELETE FROM checkpoints WHERE session = 1 AND number IN (3, 4)",
            "#3, #4 are missing",
        ),
        (
            "DELETE FROM checkpoints WHERE session = 1 AND number = 6",
            "#6 is missing",
        ),
        (
            "DELETE FROM checkpoints WHERE session = 1",
            "#1 to #6 are missing",
        ),
        (
            "UPDATE checkpoints SET id = randomblob(16) WHERE session = 1 AND number = 5",
            "#5 its column id",
        ),
        (
            "UPDATE checkpoints SET id = 'x' WHERE session = 1 AND number = 5",
            "#5 its column id",
        ),
        (
            "UPDATE checkpoints SET created_at = created_at + 1 WHERE session = 1 AND number = 5",
            "created_at",
        ),
        (
            "UPDATE checkpoints SET header = x'0a' WHERE session = 1 AND number = 5",
            "#5 is damaged",
        ),
        (
            "UPDATE checkpoints SET hash = randomblob(32) WHERE session = 1 AND number = 5",
            "#5 is damaged",
        ),
        (
            "UPDATE checkpoints SET state = x'00' WHERE session = 1 AND number = 5",
            "#5 is damaged",
        ),
        (
            "UPDATE checkpoints SET state = NULL WHERE session = 1 AND number = 5",
            "#5 has lost its content",
        ),
        (
            "UPDATE checkpoints SET thinned_at = 1 WHERE session = 1 AND number = 5",
            "#5 is marked as dropped",
        ),
        (
            "UPDATE checkpoints SET state = NULL, thinned_at = 1 WHERE session = 1 AND number = 5",
            "3 contents are marked as dropped, and its record says 2",
        ),
        (
            "UPDATE checkpoints SET session = 3, number = 60 WHERE session = 1 AND number = 5",
            "#60 is damaged",
        ),
        (
            "UPDATE checkpoints SET session = 9 WHERE session = 1 AND number = 5",
            "of no session, in row 9: #5",
        ),
        (
            "UPDATE sessions SET id = randomblob(16) WHERE row_id = 1",
            "its column id",
        ),
        (
            "UPDATE sessions SET project = '/q' WHERE row_id = 1",
            "its column project",
        ),
        (
            "UPDATE sessions SET status = 4 WHERE row_id = 1",
            "its column status",
        ),
        (
            "UPDATE sessions SET recoverable = 1 - recoverable WHERE row_id = 1",
            "its column recoverable",
        ),
        (
            "UPDATE sessions SET updated_at = 'x' WHERE row_id = 1",
            "its column updated_at",
        ),
        (
            "UPDATE sessions SET record = x'00' WHERE row_id = 1",
            "the session in row 1 is damaged",
        ),
        (
            "UPDATE sessions SET hash = x'00' WHERE row_id = 1",
            "the session in row 1 is damaged",
        ),
        ("DELETE FROM sessions WHERE row_id = 1", "1 session is gone"),
        (
            "UPDATE sessions SET row_id = 7 WHERE row_id = 1",
            "of no session, in row 1",
        ),
        (
            "DELETE FROM signals WHERE row_id = 1",
            "2 signal snapshots are stored, and its record says 3",
        ),
        (
            "DELETE FROM signals WHERE row_id = 3",
            "2 signal snapshots are stored",
        ),
        ("DELETE FROM signals", "0 signal snapshots are stored"),
        (
            "UPDATE signals SET created_at = 5 WHERE row_id = 2",
            "row 2: its column created_at",
        ),
        (
            "UPDATE signals SET record = x'00' WHERE row_id = 2",
            "the signal snapshot in row 2 is damaged",
        ),
        (
            "UPDATE signals SET session = 3 WHERE row_id = 2",
            "row 2 is one of session",
        ),
        (
            "UPDATE signals SET row_id = 77 WHERE row_id = 1",
            "its signal snapshots are not those that its record counted",
        ),
        (
            "UPDATE restores SET number = 9",
            "the restore in row 1 is damaged",
        ),
        (
            "UPDATE restores SET epoch = 9",
            "the restore in row 1 is damaged",
        ),
        (
            "UPDATE restores SET fidelity = 2.5",
            "the restore in row 1 is damaged",
        ),
        (
            "UPDATE restores SET session = 8",
            "of no session, in row 8: a restore",
        ),
        (
            "INSERT INTO restores SELECT 9, randomblob(16), session, number, epoch, created_at, NULL, NULL FROM restores",
            "2 restores are stored",
        ),
        (
            "UPDATE requests SET digest = x'00'",
            "of the answers kept for request ids are damaged",
        ),
        (
            "UPDATE deletions SET reason = 'because'",
            "the deletion on record in row 1 is damaged",
        ),
        (
            "DELETE FROM deletions",
            "1 session is gone, and no deletion is on record",
        ),
        (
            "DELETE FROM search_progress",
            "the progress of the full-text index",
        ),
        (
            "DELETE FROM search WHERE rowid = 6",
            "1 checkpoints are not in the full-text index",
        ),
        (
            "INSERT INTO search (rowid, words) VALUES (99, 'x')",
            "1 entries of no checkpoint",
        ),
        (
            "DROP INDEX signals_by_session",
            "\"signals_by_session\" is gone",
        ),
        ("DROP TABLE restores", "\"restores\" is gone"),
        ("CREATE TABLE more (x)", "\"more\", which no SHIM made"),
        (
            "CREATE TRIGGER quiet AFTER INSERT ON signals BEGIN DELETE FROM signals; END",
            "trigger \"quiet\", which no SHIM made",
        ),
    ] {
        let copy = copied(service.folder.path());
        open(copy.path()).execute_batch(sql).unwrap();
        let report = whole(copy.path());
        assert!(told(&report).contains(fault), "{sql}: {}", told(&report));
        assert!(report.fault_count > 0 && report.is_complete, "{sql}");
    }
    // Several at once, each told.
    let copy = copied(service.folder.path());
    let changes = "UPDATE checkpoints SET id = randomblob(16) WHERE session = 1 AND number = 2;
         UPDATE sessions SET status = 4 WHERE row_id = 3;
         DELETE FROM signals WHERE row_id = 2;
         DELETE FROM checkpoints WHERE session = 3 AND number = 6";
    open(copy.path()).execute_batch(changes).unwrap();
    let report = whole(copy.path());
    // The fifth is the entry of the full-text index.
    assert_eq!(report.fault_count, 5, "{}", told(&report));
    let only = VerifyScope {
        session: Some(first.id),
        ..VerifyScope::default()
    };
    let of_first = verify(copy.path(), &only).unwrap();
    assert_eq!(
        (of_first.fault_count, of_first.checkpoints),
        (2, 6),
        "{}",
        told(&of_first)
    );
}

#[tokio::test]
async fn nothing_is_told_of_a_database_that_went_through_all_that_shim_does_with_one() {
    let mut service = TestService::start().await;
    let [first, last] = fill(&mut service).await;
    // Rows that are taken anew after the last session was deleted.
    let delete = DeleteSessionRequest {
        request_id: id(),
        session_id: last.id.clone(),
        force: true,
    };
    service.api.delete_session(delete).await.unwrap();
    let session = service.open_session("/q").await;
    service.save(&session, state("anew", 0.1)).await.unwrap();
    let fork = ForkSessionRequest {
        request_id: id(),
        checkpoint_id: service.headers(&first.id).await[0].id.clone(),
        ..Default::default()
    };
    service.api.fork_session(fork).await.unwrap();
    let end = EndSessionRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: 1,
        ..Default::default()
    };
    service.api.end_session(end).await.unwrap();
    let search = SearchCheckpointsRequest {
        query: "anew".into(),
        ..Default::default()
    };
    service.api.search_checkpoints(search).await.unwrap();
    let report = whole(service.folder.path());
    assert_eq!(report.fault_count, 0, "{}", told(&report));

    let mut stream = service
        .api
        .export(ExportRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut archive = Vec::new();
    while let Some(response) = stream.message().await.unwrap() {
        archive.push(ImportRequest {
            record: response.record,
        });
    }
    let mut copy = TestService::start().await;
    copy.api.import(tokio_stream::iter(archive)).await.unwrap();
    let report = whole(copy.folder.path());
    assert_eq!(report.fault_count, 0, "{}", told(&report));
    assert!(report.signals == 3 && report.checkpoints > 7, "{report:?}");
    // Salvaged, it is whole in itself.
    let copy = copy
        .restart(|database| {
            let db = Connection::open(database).unwrap();
            let page = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
            let size = page("PRAGMA page_size");
            let index =
                page("SELECT rootpage FROM sqlite_schema WHERE name = 'sessions_by_project'");
            drop(db);
            let mut bytes = std::fs::read(database).unwrap();
            let (size, index) = (size as usize, index as usize);
            bytes[(index - 1) * size..index * size].fill(0xff);
            std::fs::write(database, bytes).unwrap();
        })
        .await;
    let report = whole(copy.folder.path());
    assert_eq!(
        (report.fault_count, report.sessions),
        (0, 3),
        "{}",
        told(&report)
    );
    let service = service.restart(|_| {}).await;
    assert_eq!(whole(service.folder.path()).fault_count, 0);
}

/// A deletion explains the gap that it left, and no other one.
#[tokio::test]
async fn a_session_that_is_gone_is_told_after_the_newest_one_was_deleted() {
    let mut service = TestService::start().await;
    let [_, last] = fill(&mut service).await;
    let delete = DeleteSessionRequest {
        request_id: id(),
        session_id: last.id,
        force: true,
    };
    service.api.delete_session(delete).await.unwrap();
    let session = service.open_session("/q").await;
    service.save(&session, state("anew", 0.1)).await.unwrap();
    let copy = copied(service.folder.path());
    assert_eq!(whole(copy.path()).fault_count, 0);
    let db = open(copy.path());
    for table in ["checkpoints", "signals", "restores"] {
        db.execute(&format!("DELETE FROM {table} WHERE session = 1"), [])
            .unwrap();
    }
    db.execute_batch(
        "DELETE FROM sessions WHERE row_id = 1;
         DELETE FROM search_docsize WHERE id NOT IN (SELECT row_id FROM checkpoints)",
    )
    .unwrap();
    drop(db);
    let report = whole(copy.path());
    assert!(
        told(&report).contains("1 session is gone"),
        "{}",
        told(&report)
    );
}

#[tokio::test]
async fn a_time_limit_ends_the_reading_and_says_so() {
    let mut service = TestService::start().await;
    fill(&mut service).await;
    let scope = VerifyScope {
        deadline: Some(std::time::Instant::now()),
        ..VerifyScope::default()
    };
    let report = verify(service.folder.path(), &scope).unwrap();
    assert!(
        !report.is_complete && report.fault_count == 0,
        "{}",
        told(&report)
    );
}
