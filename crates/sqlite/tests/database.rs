//! The embedded store with a small schema of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use shim_sqlite::idempotency::{self, IdempotencyKey, LEDGER_TABLE};
use shim_sqlite::{
    Database, Incoming, Integrity, OpenError, RestoreError, Schema, SqliteError, UnixMicros,
    after_commit, backup, check_integrity, in_savepoint, inspect, set_aside,
};

const NOTES: &str =
    "CREATE TABLE notes (row_id INTEGER PRIMARY KEY, text TEXT NOT NULL, at INTEGER NOT NULL)";

static SCHEMA: Schema = Schema {
    name: "notes",
    migrations: &[NOTES, LEDGER_TABLE],
    newest_time: |db| {
        let newest: Option<Option<i64>> = db
            .query_row("SELECT max(at) FROM notes", [], |row| row.get(0))
            .optional()?;
        Ok(newest.flatten().map(UnixMicros))
    },
    salvage: |_, db| {
        db.execute("INSERT INTO notes (text, at) VALUES ('salvaged', 0)", [])?;
        Ok(())
    },
    when_idle: |_| Ok(()),
    on_commit: |_, _| (),
};

fn open(folder: &Path) -> Arc<Database> {
    Arc::new(Database::open(&SCHEMA, folder).unwrap())
}

fn insert(db: &Connection, text: &str, now: UnixMicros) -> Result<(), SqliteError> {
    db.execute(
        "INSERT INTO notes (text, at) VALUES (?1, ?2)",
        (text, now.0),
    )?;
    Ok(())
}

async fn write(db: &Database, text: &'static str) -> Result<(), SqliteError> {
    db.write(0, move |db, now| insert(db, text, now)).await
}

async fn texts(db: &Database) -> Vec<String> {
    let query = |db: &Connection| -> Result<Vec<String>, SqliteError> {
        let mut statement = db.prepare("SELECT text FROM notes ORDER BY row_id")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    };
    db.read(query).await.unwrap()
}

fn restore(folder: &Path, file: &Path) -> Result<Option<PathBuf>, RestoreError> {
    Incoming::take_in(&SCHEMA, folder, file)?.put_in_place()
}

fn refusal() -> SqliteError {
    SqliteError::Damaged("a test's refusal".into())
}

#[tokio::test]
async fn what_was_answered_is_there_after_the_next_start_and_one_process_has_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    write(&db, "kept").await.unwrap();
    assert!(matches!(
        Database::open(&SCHEMA, folder.path()),
        Err(OpenError::InUse(_))
    ));
    drop(db);
    assert_eq!(texts(&open(folder.path())).await, ["kept"]);
}

#[tokio::test]
async fn a_refusal_before_any_change_leaves_the_group_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let refused = db.write(0, |_, _| Err::<(), _>(SqliteError::Overloaded));
    let (before, refused, after) = tokio::join!(write(&db, "before"), refused, write(&db, "after"));
    before.unwrap();
    after.unwrap();
    assert_eq!(refused, Err(SqliteError::Overloaded));
    assert_eq!(texts(&db).await, ["before", "after"]);
}

#[tokio::test]
async fn a_refusal_after_a_change_takes_the_group_along_unless_it_runs_in_a_savepoint() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let half_done = |db: &Connection, now| -> Result<(), SqliteError> {
        insert(db, "half", now)?;
        Err(refusal())
    };
    let saved = db.write(0, move |db, now| in_savepoint(db, || half_done(db, now)));
    let (saved, beside) = tokio::join!(saved, write(&db, "beside"));
    assert_eq!(saved, Err(refusal()));
    beside.unwrap();
    assert_eq!(db.write(0, half_done).await, Err(refusal()));
    assert_eq!(texts(&db).await, ["beside"], "no half is left");
}

#[tokio::test]
async fn a_panicking_job_fails_alone_and_the_writer_lives() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let panicked = db.write(0, |_, _| -> Result<(), SqliteError> {
        panic!("on purpose")
    });
    assert!(matches!(panicked.await, Err(SqliteError::Unavailable(_))));
    write(&db, "next").await.unwrap();
    assert_eq!(texts(&db).await, ["next"]);
}

#[tokio::test]
async fn actions_run_after_the_commit_and_not_for_what_was_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let count = Arc::new(AtomicUsize::new(0));
    for fails in [false, true] {
        let count = Arc::clone(&count);
        let job = move |db: &Connection, now| {
            insert(db, "counted", now)?;
            after_commit(move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
            if fails { Err(refusal()) } else { Ok(()) }
        };
        assert_eq!(db.write(0, job).await.is_err(), fails);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_same_request_has_one_effect_until_its_answer_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let mutate = |key: IdempotencyKey, text: &'static str| {
        db.mutate(key, 0, move |db, now| {
            insert(db, text, now)?;
            Ok::<_, SqliteError>(text.to_owned())
        })
    };
    let key = |content: &str| IdempotencyKey::new("Note", "one", &content.to_owned());
    assert_eq!(mutate(key("a"), "first").await.unwrap(), "first");
    assert_eq!(mutate(key("a"), "second").await.unwrap(), "first");
    assert_eq!(
        mutate(key("b"), "third").await,
        Err(SqliteError::RequestIdReused("one".into()))
    );
    assert_eq!(texts(&db).await, ["first"]);
    let ids = db.read(|db| idempotency::page(db, "", 10)).await.unwrap();
    assert_eq!(ids.len(), 1);
    db.write(0, |db, _| idempotency::delete(db, &["one".into()]))
        .await
        .unwrap();
    assert_eq!(mutate(key("b"), "third").await.unwrap(), "third");
}

#[tokio::test]
async fn too_many_waiting_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let huge = db.write(usize::MAX / 2, |_, _| Ok::<_, SqliteError>(()));
    assert_eq!(huge.await, Err(SqliteError::Overloaded));
    write(&db, "small").await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = SCHEMA.database_path(folder.path());
    assert_eq!(check_integrity(&path), Integrity::Absent);
    std::fs::write(
        &path,
        "no database at all, but long enough to have a header".repeat(100),
    )
    .unwrap();
    assert!(matches!(check_integrity(&path), Integrity::Damaged(_)));
    let db = open(folder.path());
    assert_eq!(texts(&db).await, ["salvaged"]);
    assert_eq!(check_integrity(&path), Integrity::Intact);
    let aside = std::fs::read_dir(folder.path()).unwrap();
    let aside = aside.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("damaged-")
    });
    assert_eq!(aside.count(), 1);
}

#[tokio::test]
async fn the_clock_goes_on_from_the_newest_stored_time() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let ahead = UnixMicros(db.now().0 + 3_600_000_000);
    db.write(0, move |db, _| insert(db, "ahead", ahead))
        .await
        .unwrap();
    drop(db);
    let db = open(folder.path());
    assert!(db.now() > ahead && db.now().since(ahead) < Duration::from_secs(60));
}

#[tokio::test]
async fn a_backup_is_whole_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    write(&db, "copied").await.unwrap();
    let target = folder.path().join("copy.db");
    let path = SCHEMA.database_path(folder.path());
    assert!(backup(&path, &target, |_, _| ()).unwrap() > 0);
    assert!(backup(&path, &target, |_, _| ()).is_err());
    let copy = Connection::open(&target).unwrap();
    let text: String = copy
        .query_row("SELECT text FROM notes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(text, "copied");
}

/// Whether the next commit ends in a panic of a hook.
static PANICS: AtomicBool = AtomicBool::new(false);

static PANICKING_HOOKS: Schema = Schema {
    name: "hooks",
    on_commit: |_, _| assert!(!PANICS.swap(false, Ordering::SeqCst), "on purpose"),
    ..SCHEMA_FIELDS
};

const SCHEMA_FIELDS: Schema = Schema {
    name: "fields",
    migrations: &[NOTES, LEDGER_TABLE],
    newest_time: |_| Ok(None),
    salvage: |_, _| Ok(()),
    when_idle: |_| Ok(()),
    on_commit: |_, _| (),
};

#[tokio::test]
async fn a_panic_beside_the_jobs_does_not_end_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&PANICKING_HOOKS, folder.path()).unwrap();
    PANICS.store(true, Ordering::SeqCst);
    let refused = write(&db, "unanswered").await;
    assert!(
        matches!(refused, Err(SqliteError::Unavailable(_))),
        "it is not stopping: {refused:?}"
    );
    write(&db, "next").await.unwrap();
    assert_eq!(texts(&db).await, ["unanswered", "next"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_known_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let db = open(&data);
    let failure = db.failure();
    db.try_writing().await.unwrap();
    assert_eq!(*failure.borrow(), None);
    std::fs::rename(&data, folder.path().join("elsewhere")).unwrap();
    let refused = db.try_writing().await.unwrap_err();
    assert!(refused.is_failure());
    assert_eq!(failure.borrow().as_ref(), Some(&refused));
    std::fs::rename(folder.path().join("elsewhere"), &data).unwrap();
    db.try_writing().await.unwrap();
    assert_eq!(*failure.borrow(), None);
}

/// A folder whose database holds one note, and a backup of it from before a second one.
async fn backed_up(folder: &Path) -> std::path::PathBuf {
    let db = open(folder);
    write(&db, "first").await.unwrap();
    let file = folder.join("backup of notes");
    backup(&SCHEMA.database_path(folder), &file, |_, _| ()).unwrap();
    write(&db, "second").await.unwrap();
    file
}

#[tokio::test]
async fn a_restored_backup_is_what_is_there_and_the_database_from_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = backed_up(folder.path()).await;
    let kept = restore(folder.path(), &file).unwrap().unwrap();
    let db = open(folder.path());
    assert_eq!(texts(&db).await, ["first"]);
    assert_eq!(
        set_aside(&SCHEMA, folder.path()),
        std::slice::from_ref(&kept)
    );
    let before = Connection::open(kept).unwrap();
    let notes: i64 = before
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(notes, 2);
    assert!(matches!(
        restore(folder.path(), &file),
        Err(RestoreError::Open(OpenError::InUse(_)))
    ));
}

#[tokio::test]
async fn what_is_no_usable_backup_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = backed_up(folder.path()).await;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "no database".repeat(500)).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::copy(&file, path("newer")).unwrap();
    let newer = Connection::open(path("newer")).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    for (name, version) in [("foreign", 2), ("unversioned", 0)] {
        let foreign = Connection::open(path(name)).unwrap();
        let tables = format!("CREATE TABLE songs (title TEXT); PRAGMA user_version = {version}");
        foreign.execute_batch(&tables).unwrap();
    }
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(path("truncated"), &whole[..whole.len() / 2]).unwrap();
    let mut damaged = whole.clone();
    damaged[4096..8192].fill(0xA5);
    std::fs::write(path("damaged page"), damaged).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for (name, expected) in [
        ("missing", "there is no backup"),
        ("text", "not a readable database"),
        ("empty", "it is empty"),
        ("folder", "it is a folder"),
        ("unversioned", "none of SHIM's"),
        ("truncated", "no usable backup"),
        ("damaged page", "no usable backup"),
        ("newer", "a newer version of SHIM wrote it"),
        ("foreign", "other tables"),
    ] {
        let refused = restore(folder.path(), &path(name)).unwrap_err();
        assert!(refused.to_string().contains(expected), "{name}: {refused}");
    }
    assert!(set_aside(&SCHEMA, folder.path()).is_empty());
    assert_eq!(texts(&open(folder.path())).await, ["first", "second"]);
    let names = std::fs::read_dir(folder.path()).unwrap();
    let leftovers = names.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("restoring")
    });
    assert_eq!(leftovers.count(), 0);
}

#[tokio::test]
async fn what_opening_refuses_is_not_called_intact() {
    let folder = tempfile::tempdir().unwrap();
    backed_up(folder.path()).await;
    let database = SCHEMA.database_path(folder.path());
    assert_eq!(inspect(&SCHEMA, &database), Integrity::Intact);
    let db = Connection::open(&database).unwrap();
    db.execute_batch("PRAGMA user_version = 3").unwrap();
    drop(db);
    assert!(
        matches!(inspect(&SCHEMA, &database), Integrity::Refused(why) if why.contains("newer"))
    );
    assert!(Database::open(&SCHEMA, folder.path()).is_err());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    std::fs::create_dir(&database).unwrap();
    assert!(matches!(inspect(&SCHEMA, &database), Integrity::Refused(_)));
    assert!(Database::open(&SCHEMA, folder.path()).is_err());
}
