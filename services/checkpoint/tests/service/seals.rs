//! With a key, what was changed from outside and made to fit is told, too.

use std::path::{Path, PathBuf};

use prost::Message;
use rusqlite::{Connection, params};
use shim_checkpoint::{SealKey, SealVerdict, VerifyReport, VerifyScope, database_path, verify};
use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, state};
use crate::verifying::{copied, fill, open, told, whole};

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

/// What is done to a database without its key.
type Forgery = fn(&Connection);

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

    let forgeries: [(Forgery, &str); 7] = [
        (
            |db| forge(db, 1, |session| session.title = "forged".into()),
            "does not match its seal",
        ),
        (|db| take_newest(db, 1), "does not match its seal"),
        (
            |db| {
                db.execute_batch("DELETE FROM seals WHERE session = 1")
                    .unwrap();
            },
            "has no seal",
        ),
        (
            |db| {
                db.execute_batch("UPDATE seals SET seal = randomblob(32) WHERE session = 1")
                    .unwrap();
            },
            "does not match",
        ),
        (
            |db| {
                db.execute_batch("DELETE FROM seals; DELETE FROM seal_root")
                    .unwrap();
            },
            "nothing is sealed",
        ),
        (
            |db| {
                db.execute_batch("UPDATE seal_root SET since = since + 1")
                    .unwrap();
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
