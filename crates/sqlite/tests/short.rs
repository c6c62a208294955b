//! Short changes, which are committed on the threads of their callers when they come alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use prost_types::Timestamp;
use rusqlite::Connection;
use shim_sqlite::idempotency::{IdempotencyKey, LEDGER_TABLE};
use shim_sqlite::{Database, Schema, SqliteError, UnixMicros};

static SCHEMA: Schema = Schema {
    name: "numbers",
    migrations: &[
        "CREATE TABLE numbers (number INTEGER PRIMARY KEY, before INTEGER NOT NULL)",
        LEDGER_TABLE,
    ],
    newest_time: |_| Ok(None),
    salvage: |_, _| Ok(()),
    when_idle: |_| Ok(()),
    on_commit: |_, _| (),
};

static PANICKING_HOOKS: Schema = Schema {
    name: "numbers",
    migrations: SCHEMA.migrations,
    newest_time: |_| Ok(None),
    salvage: |_, _| Ok(()),
    when_idle: |_| Ok(()),
    on_commit: |_, _| assert!(!PANICS.swap(false, Ordering::SeqCst), "on purpose"),
};

/// Whether the next commit ends in a panic of a hook.
static PANICS: AtomicBool = AtomicBool::new(false);

const WRITER: &str = "numbers-writer";
/// Tries until a commit is quick on a busy machine.
const TRIES: u32 = 2_000;

/// The number that the change added.
type Added = Result<Timestamp, SqliteError>;

fn key(id: &str) -> IdempotencyKey {
    IdempotencyKey::new("Add", id, &Timestamp::default())
}

/// Adds the next number; answers it and, in place of the nanoseconds, whether that was done on the writer's thread.
fn add(db: &Connection) -> Added {
    let before: i64 = db.query_row("SELECT coalesce(max(number), 0) FROM numbers", [], |row| {
        row.get(0)
    })?;
    db.execute("INSERT INTO numbers VALUES (?1, ?2)", [before + 1, before])?;
    let is_writer = thread::current().name() == Some(WRITER);
    Ok(Timestamp {
        seconds: before + 1,
        nanos: is_writer.into(),
    })
}

async fn add_shortly(db: &Database, id: &str, bytes: usize) -> Added {
    let rebuild = |_: &Connection, kept: Timestamp| Ok(kept);
    let job = |db: &Connection, _: UnixMicros| add(db).map(|added| (added, added));
    db.mutate_shortly(key(id), bytes, rebuild, job).await
}

/// The id and the answer of a change that was committed on its caller's thread.
async fn add_here(db: &Database) -> (String, Timestamp) {
    for number in 0..TRIES {
        let id = format!("try {number}");
        let added = add_shortly(db, &id, 0).await.unwrap();
        if added.nanos == 0 {
            return (id, added);
        }
    }
    panic!("no change in {TRIES} was committed on its caller's thread");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_change_alone_is_committed_here_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let db = Arc::new(Database::open(&SCHEMA, folder.path()).unwrap());
    let first = add_shortly(&db, "first", 0).await.unwrap();
    assert_eq!(first.nanos, 1, "how quick commits are is not known yet");
    let (id, added) = add_here(&db).await;
    assert_eq!(add_shortly(&db, &id, 0).await.unwrap(), added, "one effect");
    let large = add_shortly(&db, "large", 1024 * 1024).await.unwrap();
    assert_eq!(large.nanos, 1, "a large one has its turn at the writer");
    drop(db);
    let db = Database::open(&SCHEMA, folder.path()).unwrap();
    let kept = db
        .read(|db| -> Result<i64, SqliteError> {
            Ok(db.query_row("SELECT max(number) FROM numbers", [], |row| row.get(0))?)
        })
        .await;
    assert_eq!(kept.unwrap(), large.seconds);
}

#[tokio::test]
async fn the_only_thread_of_a_runtime_commits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&SCHEMA, folder.path()).unwrap();
    for number in 0..20 {
        let added = add_shortly(&db, &number.to_string(), 0).await.unwrap();
        assert_eq!(added.nanos, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_both_kinds_at_once_make_one_gapless_row() {
    const CALLERS: i64 = 8;
    const EACH: i64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let db = Arc::new(Database::open(&SCHEMA, folder.path()).unwrap());
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                let mut last = 0;
                for number in 0..EACH {
                    let added = if caller % 4 == 0 {
                        db.write(0, |db, _| add(db)).await
                    } else {
                        add_shortly(&db, &format!("{caller} {number}"), 0).await
                    };
                    let added = added.unwrap().seconds;
                    assert!(added > last, "{added} behind {last}");
                    last = added;
                    if number % 7 == caller {
                        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let (count, highest): (i64, i64) = db
        .read(|db| -> Result<_, SqliteError> {
            let sql = "SELECT count(*), max(number) FROM numbers WHERE before = number - 1";
            Ok(db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })
        .await
        .unwrap();
    assert_eq!((count, highest), (CALLERS * EACH, CALLERS * EACH));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_beside_a_job_here_fails_its_answer_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&PANICKING_HOOKS, folder.path()).unwrap();
    let (_, before) = add_here(&db).await;
    PANICS.store(true, Ordering::SeqCst);
    let refused = add_shortly(&db, "unanswered", 0).await;
    assert!(
        matches!(refused, Err(SqliteError::Unavailable(_))),
        "{refused:?}"
    );
    let next = add_shortly(&db, "next", 0).await.unwrap();
    assert_eq!(next.seconds, before.seconds + 2, "it was on the disk");
    add_here(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_query_runs_here_and_its_defect_stays_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&SCHEMA, folder.path()).unwrap();
    let here = thread::current().id();
    let thread = || async {
        db.read_shortly(|_| -> Result<_, SqliteError> { Ok(thread::current().id()) })
            .await
    };
    thread().await.unwrap();
    assert_eq!(thread().await.unwrap(), here, "a connection was free");
    let defect = db
        .read_shortly(|_| -> Result<(), SqliteError> { panic!("on purpose") })
        .await;
    assert!(
        matches!(defect, Err(SqliteError::Unavailable(_))),
        "{defect:?}"
    );
    thread().await.unwrap();
}
