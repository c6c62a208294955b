//! What was changed, taken away or put back behind the service's back is told, all of it, and nothing else is.

use std::path::{Path, PathBuf};

use prost::Message;
use rusqlite::{Connection, params};
use shim_checkpoint::{SealKey, SealVerdict, VerifyReport, VerifyScope, database_path, verify};
use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, id, state};

/// Sessions in rows 1 and 3, one between them was deleted; with signals, restores and dropped contents.
async fn fill(service: &mut TestService) -> [Session; 2] {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(service.open_session("/p").await);
    }
    for session in &sessions {
        for step in 1..=6 {
            service
                .save(session, state(&format!("step {step}"), 0.5))
                .await
                .unwrap();
        }
        for messages in 1..=3 {
            let signals = RecordSignalsRequest {
                request_id: id(),
                session_id: session.id.clone(),
                epoch: 1,
                signals: Some(Signals {
                    message_count: Some(messages),
                    ..Default::default()
                }),
            };
            service.signals.record_signals(signals).await.unwrap();
        }
    }
    let prune = PruneRequest {
        request_id: id(),
        older_than: Some(prost_types::Duration::default()),
        keep_last: 4,
        ..Default::default()
    };
    service.api.prune(prune).await.unwrap();
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
fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let target = database_path(copy.path()).display().to_string();
    let db = Connection::open(database_path(folder)).unwrap();
    db.execute("VACUUM INTO ?1", [target]).unwrap();
    copy
}

fn open(folder: &Path) -> Connection {
    let db = Connection::open(database_path(folder)).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db
}

fn whole(folder: &Path) -> VerifyReport {
    verify(folder, &VerifyScope::default()).unwrap()
}

fn told(report: &VerifyReport) -> String {
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

/// A secret in a folder of its own.
struct KeyFile(tempfile::TempDir);

impl KeyFile {
    fn make() -> Self {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let file = file.open(folder.path().join("seal.key"));
        std::io::Write::write_all(&mut file.unwrap(), b"0123456789abcdef0123456789abcdef\n")
            .unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("seal.key")
    }

    async fn start(&self) -> TestService {
        TestService::start_with(&[(
            "checkpoint.seal_key_file",
            &self.path().display().to_string(),
        )])
        .await
    }

    fn key(&self, data_dir: &Path) -> SealKey {
        let flags = vec![(
            "checkpoint.seal_key_file".to_owned(),
            self.path().display().to_string(),
        )];
        let mut settings = shim_runtime::config::Settings::gather(None, [], flags).unwrap();
        let config = shim_checkpoint::Config::read(&mut settings);
        config.seal_key(data_dir).unwrap().unwrap()
    }

    fn verify(&self, data_dir: &Path) -> VerifyReport {
        let scope = VerifyScope {
            seal_key: Some(self.key(data_dir)),
            ..VerifyScope::default()
        };
        verify(data_dir, &scope).unwrap()
    }
}

/// Changes a session's record as a program would that knows how SHIM seals without a key.
fn forge(db: &Connection, row_id: i64, change: impl FnOnce(&mut Session)) {
    let record: Vec<u8> = db
        .query_row(
            "SELECT record FROM sessions WHERE row_id = ?1",
            [row_id],
            |row| row.get(0),
        )
        .unwrap();
    let mut session = Session::decode(record.as_slice()).unwrap();
    change(&mut session);
    let record = session.encode_to_vec();
    let hash = *blake3::hash(&record).as_bytes();
    db.execute(
        "UPDATE sessions SET record = ?2, hash = ?3, project = ?4, status = ?5 WHERE row_id = ?1",
        params![row_id, record, hash, session.project, session.status],
    )
    .unwrap();
}

/// Takes the newest checkpoint away, with all that says there was one.
fn take_newest(db: &Connection, row_id: i64) {
    let before: Vec<u8> = db
        .query_row(
            "SELECT id FROM checkpoints WHERE session = ?1 AND number = 5",
            [row_id],
            |row| row.get(0),
        )
        .unwrap();
    let before = uuid::Uuid::from_slice(&before).unwrap().to_string();
    forge(db, row_id, |session| {
        session.head_number = 5;
        session.head_checkpoint_id = before;
    });
    db.execute(
        "DELETE FROM checkpoints WHERE session = ?1 AND number = 6",
        [row_id],
    )
    .unwrap();
}

#[tokio::test]
async fn with_a_key_what_only_looks_right_is_told_too() {
    let key = KeyFile::make();
    let mut service = key.start().await;
    let [first, last] = fill(&mut service).await;
    let folder = service.folder.path().to_path_buf();
    let clean = key.verify(&folder);
    assert_eq!(clean.fault_count, 0, "{}", told(&clean));
    assert_eq!(clean.seals, SealVerdict::Checked);
    assert!(clean.sealed_since.is_some());
    assert_eq!(whole(&folder).seals, SealVerdict::NotChecked);

    let forgeries: [(fn(&Connection), &str); 7] = [
        (
            |db| forge(db, 1, |session| session.title = "forged".into()),
            "does not match its seal",
        ),
        (|db| take_newest(db, 1), "does not match its seal"),
        (
            |db| {
                db.execute_batch("DELETE FROM seals WHERE session = 1")
                    .unwrap()
            },
            "has no seal",
        ),
        (
            |db| {
                db.execute_batch("UPDATE seals SET seal = randomblob(32) WHERE session = 1")
                    .unwrap()
            },
            "does not match",
        ),
        (
            |db| {
                db.execute_batch("DELETE FROM seals; DELETE FROM seal_root")
                    .unwrap()
            },
            "nothing is sealed",
        ),
        (
            |db| {
                db.execute_batch("UPDATE seal_root SET since = since + 1")
                    .unwrap()
            },
            "not one of this key",
        ),
        (
            |db| {
                let last = "DELETE FROM sessions WHERE row_id = 3; DELETE FROM checkpoints WHERE session = 3;
                    DELETE FROM signals WHERE session = 3; DELETE FROM seals WHERE session = 3;
                    DELETE FROM search WHERE rowid > 12";
                db.execute_batch(last).unwrap();
            },
            "put back to an earlier state, or taken away",
        ),
    ];
    for (forge, fault) in forgeries {
        let copy = copied(&folder);
        forge(&open(copy.path()));
        let report = key.verify(copy.path());
        assert!(told(&report).contains(fault), "{fault}: {}", told(&report));
    }
    let other = VerifyScope {
        seal_key: Some(KeyFile::make_other().key(&folder)),
        ..VerifyScope::default()
    };
    assert!(verify(&folder, &other).unwrap().fault_count >= 3);

    // One session is put back to where it was, whole with its seal.
    let earlier = copied(&folder);
    service.save(&first, state("later", 0.9)).await.unwrap_err();
    service.save(&last, state("later", 0.9)).await.unwrap();
    assert_eq!(key.verify(&folder).fault_count, 0);
    let copy = copied(&folder);
    let db = open(copy.path());
    db.execute(
        "ATTACH ?1 AS earlier",
        [database_path(earlier.path()).display().to_string()],
    )
    .unwrap();
    for table in ["sessions", "seals", "checkpoints", "search_progress"] {
        let sql = format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM earlier.{table}"
        );
        db.execute_batch(&sql).unwrap();
    }
    let report = key.verify(copy.path());
    assert!(
        told(&report).contains("put back to an earlier state"),
        "{}",
        told(&report)
    );
}

impl KeyFile {
    fn make_other() -> Self {
        let other = Self::make();
        std::fs::write(other.path(), "another secret of more than 32 bytes").unwrap();
        other
    }
}

#[tokio::test]
async fn a_save_hides_no_change_from_outside_and_a_key_may_come_late() {
    let key = KeyFile::make();
    let mut service = key.start().await;
    let session = service.open_session("/p").await;
    let other = service.open_session("/p").await;
    service.save(&session, state("one", 0.1)).await.unwrap();
    let service = service
        .restart(|database| {
            let db = Connection::open(database).unwrap();
            forge(&db, 1, |session| session.title = "forged".into());
        })
        .await;
    let mut service = service;
    for step in ["two", "three"] {
        service.save(&session, state(step, 0.2)).await.unwrap();
        service.save(&other, state(step, 0.2)).await.unwrap();
    }
    let report = key.verify(service.folder.path());
    assert_eq!(
        (report.fault_count, report.faults[0].session.as_str()),
        (1, session.id.as_str()),
        "{}",
        told(&report)
    );
    assert!(report.faults[0].what.contains("seal"), "{}", told(&report));

    let mut late = TestService::start().await;
    fill(&mut late).await;
    assert!(
        key.verify(late.folder.path()).faults[0]
            .what
            .contains("nothing is sealed")
    );
    let late = late
        .restart_with(&[(
            "checkpoint.seal_key_file",
            &key.path().display().to_string(),
        )])
        .await;
    let report = key.verify(late.folder.path());
    assert_eq!(report.fault_count, 0, "{}", told(&report));
}

#[test]
fn a_key_file_that_protects_nothing_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let key = KeyFile::make();
    let refused = |data_dir: &Path| {
        let flags = vec![(
            "checkpoint.seal_key_file".to_owned(),
            key.path().display().to_string(),
        )];
        let mut settings = shim_runtime::config::Settings::gather(None, [], flags).unwrap();
        shim_checkpoint::Config::read(&mut settings).seal_key(data_dir)
    };
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(refused(elsewhere.path()).is_ok());
    let inside = refused(key.0.path()).unwrap_err();
    assert!(inside.contains("data folder"), "{inside}");
    let mode =
        |mode| std::fs::set_permissions(key.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    assert!(refused(elsewhere.path()).unwrap_err().contains("chmod"));
    mode(0o600);
    std::fs::write(key.path(), "short").unwrap();
    assert!(refused(elsewhere.path()).unwrap_err().contains("5 bytes"));
    std::fs::remove_file(key.path()).unwrap();
    nix::unistd::mkfifo(&key.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refused(elsewhere.path()).unwrap_err().contains("regular"));
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
