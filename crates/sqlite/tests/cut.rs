//! A database whose files are cut or overwritten in place while it is open: nothing more is acknowledged, and no ordinary
//! change is taken for that.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use shim_sqlite::idempotency::LEDGER_TABLE;
use shim_sqlite::{Database, Schema, SqliteError, UnixMicros, backup, newest_rescued};
use tokio::task::JoinSet;

static SCHEMA: Schema = Schema {
    name: "notes",
    migrations: &["CREATE TABLE notes (text TEXT NOT NULL)", LEDGER_TABLE],
    newest_time: |_| Ok(None),
    salvage: |_, _| Ok(()),
    when_idle: |_| Ok(()),
    on_commit: |_, _| (),
};

/// Only a writer that is stuck takes longer.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
/// Notes of about a page.
const NOTE_BYTES: usize = 4_000;
const OLDER: u32 = 40;
const NEWER: u32 = 20;

async fn change(db: &Database, sql: &'static str) -> Result<(), SqliteError> {
    db.write(0, move |db, _: UnixMicros| Ok(db.execute_batch(sql)?))
        .await
}

async fn write(db: &Database) -> Result<(), SqliteError> {
    db.write(0, |db, _: UnixMicros| {
        db.execute("INSERT INTO notes VALUES (?1)", ["n".repeat(NOTE_BYTES)])?;
        Ok(())
    })
    .await
}

fn count_in(db: &Connection) -> Result<u32, SqliteError> {
    Ok(db.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?)
}

fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

fn cut(file: &Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    assert!(file.metadata().unwrap().len() > bytes);
    file.set_len(bytes).unwrap();
}

/// What is done to the database; a log from before is beside it, one of the same run and one of the run before.
type Act = fn(&Path);

/// The name of a case, what is done, and whether what the database held can be saved.
const CASES: [(&str, Act, bool); 6] = [
    ("log emptied", |it| cut(&log_of(it), 0), true),
    ("log cut", |it| cut(&log_of(it), 50_000), true),
    ("database cut", |it| cut(it, 40_960), false),
    ("older log", |it| overwrite(it, "same"), true),
    ("log of another run", |it| overwrite(it, "before"), false),
    (
        "log cut and made as long as it was",
        |it| {
            let length = log_of(it).metadata().unwrap().len();
            cut(&log_of(it), 50_000);
            let file = OpenOptions::new().write(true).open(log_of(it)).unwrap();
            file.set_len(length).unwrap();
        },
        true,
    ),
];

fn overwrite(database: &Path, with: &str) {
    let with = std::fs::read(database.with_extension(with)).unwrap();
    std::fs::write(log_of(database), with).unwrap();
}

/// A database with older notes in the file and newer ones in the log.
async fn filled(folder: &Path) -> Database {
    let path = SCHEMA.database_path(folder);
    let db = Database::open(&SCHEMA, folder).unwrap();
    for _ in 0..OLDER {
        write(&db).await.unwrap();
    }
    std::fs::copy(log_of(&path), path.with_extension("before")).unwrap();
    drop(db);
    let db = Database::open(&SCHEMA, folder).unwrap();
    for number in 0..NEWER {
        write(&db).await.unwrap();
        if number == NEWER / 2 {
            std::fs::copy(log_of(&path), path.with_extension("same")).unwrap();
        }
    }
    db
}

#[tokio::test]
async fn nothing_is_acknowledged_once_a_file_was_cut() {
    for (name, act, is_saved) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let db = filled(folder.path()).await;
        act(&SCHEMA.database_path(folder.path()));
        for _ in 0..3 {
            let refused = write(&db).await;
            assert!(
                matches!(refused, Err(SqliteError::Replaced(_))),
                "{name}: {refused:?}"
            );
        }
        let refused = db.read(count_in).await;
        assert!(
            matches!(refused, Err(SqliteError::Replaced(_))),
            "{name}: {refused:?}"
        );
        assert!(
            matches!(&*db.failure().borrow(), Some(SqliteError::Replaced(_))),
            "{name}"
        );
        let rescued = newest_rescued(&SCHEMA, folder.path());
        assert_eq!(rescued.is_some(), is_saved, "{name}");
        if let Some(rescued) = rescued {
            let held = count_in(&Connection::open(rescued).unwrap()).unwrap();
            assert_eq!(held, OLDER + NEWER, "{name}");
        }
        drop(db);
        let db = Database::open(&SCHEMA, folder.path()).unwrap();
        write(&db).await.expect(name);
    }
}

#[tokio::test]
async fn an_idle_service_notices_a_cut_which_is_not_mended_by_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let db = filled(folder.path()).await;
    let log = log_of(&SCHEMA.database_path(folder.path()));
    let length = log.metadata().unwrap().len();
    let mut failure = db.failure();
    cut(&log, 50_000);
    let noticed = failure.wait_for(|it| matches!(it, Some(SqliteError::Replaced(_))));
    drop(tokio::time::timeout(NOTICED_WITHIN, noticed).await.unwrap());
    let file = OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(length).unwrap();
    assert!(matches!(write(&db).await, Err(SqliteError::Replaced(_))));
}

/// As many saves at once, with a read behind each.
async fn save_and_read(db: &Arc<Database>, saves: usize) {
    let mut running = JoinSet::new();
    for _ in 0..saves {
        let db = Arc::clone(db);
        running.spawn(async move {
            write(&db).await.unwrap();
            db.read(count_in).await.unwrap();
        });
    }
    running.join_all().await;
}

#[tokio::test]
async fn ordinary_changes_are_no_cut() {
    const WAVES: usize = 100;
    const SAVES: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let path = SCHEMA.database_path(folder.path());
    let mut db = Arc::new(Database::open(&SCHEMA, folder.path()).unwrap());
    // Folded and begun anew all the time.
    change(&db, "PRAGMA wal_autocheckpoint = 30").await.unwrap();
    for wave in 0..WAVES {
        save_and_read(&db, SAVES).await;
        let other = Connection::open(&path).unwrap();
        match wave % 10 {
            2 => other
                .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
                .unwrap(),
            4 => change(&db, "DELETE FROM notes; PRAGMA incremental_vacuum(50)")
                .await
                .unwrap(),
            6 => {
                let target = folder.path().join(format!("{wave}.backup"));
                backup(&path, &target, |_, _| ()).unwrap();
            }
            8 => change(
                &db,
                "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                 INSERT INTO notes SELECT hex(zeroblob(2000)) FROM n",
            )
            .await
            .unwrap(),
            9 => {
                drop((other, db));
                db = Arc::new(Database::open(&SCHEMA, folder.path()).unwrap());
            }
            _ => {}
        }
    }
    assert_eq!(*db.failure().borrow(), None);
    assert_eq!(newest_rescued(&SCHEMA, folder.path()), None);
}
