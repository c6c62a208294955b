//! A database whose files are removed, moved, replaced or overwritten while it is open: nothing more is acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use shim_sqlite::idempotency::LEDGER_TABLE;
use shim_sqlite::{
    Database, Incoming, Integrity, Schema, SqliteError, UnixMicros, backup, inspect,
    newest_rescued, set_aside,
};

static SCHEMA: Schema = Schema {
    name: "notes",
    migrations: &["CREATE TABLE notes (text TEXT NOT NULL)", LEDGER_TABLE],
    newest_time: |db| {
        db.prepare("SELECT text FROM notes")?;
        Ok(None)
    },
    salvage: |from, db| {
        // A text is no database that could be attached, and one without the table holds nothing.
        if db
            .execute("ATTACH ?1 AS damaged", [from.to_string_lossy()])
            .is_ok()
        {
            let _ = db.execute("INSERT INTO notes SELECT text FROM damaged.notes", []);
            db.execute_batch("DETACH damaged")?;
        }
        Ok(())
    },
    when_idle: |_| Ok(()),
    on_commit: |_, _| (),
};

/// Only a writer that is stuck takes longer.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

/// A data folder, with room beside it.
struct DataFolder {
    root: tempfile::TempDir,
    data: PathBuf,
}

impl DataFolder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        std::fs::create_dir(&data).unwrap();
        Self { root, data }
    }

    fn open(&self) -> Database {
        Database::open(&SCHEMA, &self.data).unwrap()
    }

    fn database(&self) -> PathBuf {
        SCHEMA.database_path(&self.data)
    }

    fn log(&self) -> PathBuf {
        self.database().with_extension("db-wal")
    }

    fn elsewhere(&self) -> PathBuf {
        self.root.path().join("elsewhere")
    }

    /// A database of the same schema with one note in it, in one file.
    fn other(&self) -> PathBuf {
        let folder = self.root.path().join("other");
        std::fs::create_dir(&folder).unwrap();
        let db = Database::open(&SCHEMA, &folder).unwrap();
        drop(db);
        let path = SCHEMA.database_path(&folder);
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "INSERT INTO notes VALUES ('of another'); PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
        path
    }
}

async fn write(db: &Database, text: &'static str) -> Result<(), SqliteError> {
    db.write(0, move |db, _: UnixMicros| {
        db.execute("INSERT INTO notes VALUES (?1)", [text])?;
        Ok(())
    })
    .await
}

async fn texts(db: &Database) -> Result<Vec<String>, SqliteError> {
    db.read(texts_in).await
}

fn texts_in(db: &Connection) -> Result<Vec<String>, SqliteError> {
    let mut statement = db.prepare("SELECT text FROM notes ORDER BY rowid")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn texts_of(path: &Path) -> Vec<String> {
    texts_in(&Connection::open(path).unwrap()).unwrap()
}

/// What is done to the files of an open database.
type Act = fn(&DataFolder);

/// The name of a case, what is done, and whether what the database held can be saved.
const CASES: [(&str, Act, bool); 10] = [
    (
        "removed",
        |folder| std::fs::remove_file(folder.database()).unwrap(),
        true,
    ),
    (
        "moved away",
        |folder| std::fs::rename(folder.database(), folder.elsewhere()).unwrap(),
        true,
    ),
    (
        "another moved over it",
        |folder| std::fs::rename(folder.other(), folder.database()).unwrap(),
        true,
    ),
    (
        "another copied over it",
        |folder| _ = std::fs::copy(folder.other(), folder.database()).unwrap(),
        false,
    ),
    (
        "a backup of itself copied over it",
        |folder| {
            let file = folder.elsewhere();
            backup(&folder.database(), &file, |_, _| ()).unwrap();
            std::fs::copy(file, folder.database()).unwrap();
        },
        false,
    ),
    (
        "emptied",
        |folder| drop(std::fs::File::create(folder.database()).unwrap()),
        false,
    ),
    (
        "filled with text",
        |folder| std::fs::write(folder.database(), "text ".repeat(4_000)).unwrap(),
        false,
    ),
    (
        "its log removed",
        |folder| std::fs::remove_file(folder.log()).unwrap(),
        true,
    ),
    (
        "its folder moved away",
        |folder| std::fs::rename(&folder.data, folder.elsewhere()).unwrap(),
        false,
    ),
    (
        "its folder removed",
        |folder| std::fs::remove_dir_all(&folder.data).unwrap(),
        true,
    ),
];

#[tokio::test]
async fn nothing_is_acknowledged_once_the_files_are_not_those_that_were_opened() {
    for (name, act, is_saved) in CASES {
        let folder = DataFolder::new();
        let db = folder.open();
        write(&db, "kept").await.unwrap();
        act(&folder);
        let refused = write(&db, "lost").await;
        assert!(
            matches!(refused, Err(SqliteError::Replaced(_))),
            "{name}: {refused:?}"
        );
        let refused = texts(&db).await;
        assert!(
            matches!(refused, Err(SqliteError::Replaced(_))),
            "{name}: {refused:?}"
        );
        assert!(
            matches!(&*db.failure().borrow(), Some(SqliteError::Replaced(_))),
            "{name}"
        );
        let rescued = newest_rescued(&SCHEMA, &folder.data);
        assert_eq!(rescued.is_some(), is_saved, "{name}");
        drop(db);
        if let Some(rescued) = rescued {
            assert_eq!(texts_of(&rescued), ["kept"], "{name}");
            let incoming = Incoming::take_in(&SCHEMA, &folder.data, &rescued).unwrap();
            incoming.put_in_place().unwrap();
            let db = folder.open();
            assert_eq!(
                texts(&db).await.unwrap(),
                ["kept"],
                "{name}: the step helps"
            );
            write(&db, "on it goes").await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_idle_service_notices_by_itself_and_what_comes_back_is_taken() {
    let folder = DataFolder::new();
    let db = folder.open();
    write(&db, "before").await.unwrap();
    let mut failure = db.failure();
    for (there, away) in [
        (folder.database(), folder.elsewhere()),
        (folder.data.clone(), folder.elsewhere()),
    ] {
        std::fs::rename(&there, &away).unwrap();
        let noticed = failure.wait_for(|it| matches!(it, Some(SqliteError::Replaced(_))));
        drop(
            tokio::time::timeout(NOTICED_WITHIN, noticed)
                .await
                .unwrap()
                .unwrap(),
        );
        std::fs::rename(&away, &there).unwrap();
        let mended = failure.wait_for(Option::is_none);
        drop(
            tokio::time::timeout(NOTICED_WITHIN, mended)
                .await
                .unwrap()
                .unwrap(),
        );
        write(&db, "after").await.unwrap();
    }
    assert_eq!(texts(&db).await.unwrap(), ["before", "after", "after"]);
}

#[tokio::test]
async fn the_file_that_took_the_place_is_opened_as_it_is() {
    for over in [
        |from: &Path, to: &Path| std::fs::rename(from, to).unwrap(),
        |from: &Path, to: &Path| _ = std::fs::copy(from, to).unwrap(),
    ] {
        let folder = DataFolder::new();
        let db = folder.open();
        write(&db, "of the first").await.unwrap();
        over(&folder.other(), &folder.database());
        write(&db, "refused").await.unwrap_err();
        drop(db);
        assert_eq!(inspect(&SCHEMA, &folder.database()), Integrity::Intact);
        assert_eq!(
            texts_of(&folder.database()),
            ["of another"],
            "no log was mixed in"
        );
        assert_eq!(texts(&folder.open()).await.unwrap(), ["of another"]);
    }
}

#[tokio::test]
async fn a_log_that_was_removed_costs_nothing_in_an_orderly_end() {
    let folder = DataFolder::new();
    let db = folder.open();
    write(&db, "kept").await.unwrap();
    std::fs::remove_file(folder.log()).unwrap();
    write(&db, "refused").await.unwrap_err();
    drop(db);
    assert_eq!(texts(&folder.open()).await.unwrap(), ["kept"]);
}

#[tokio::test]
async fn others_that_look_on_are_no_reason_to_refuse() {
    let folder = DataFolder::new();
    let db = folder.open();
    write(&db, "one").await.unwrap();
    let looking = Connection::open(folder.database()).unwrap();
    looking
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let touched = std::fs::File::open(folder.database()).unwrap();
    touched
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    write(&db, "two").await.unwrap();
    assert_eq!(texts(&db).await.unwrap(), ["one", "two"]);
}

#[tokio::test]
async fn an_empty_file_is_damage_where_a_database_was() {
    // Nothing was ever written: the beginning of a database.
    let folder = DataFolder::new();
    std::fs::write(folder.database(), "").unwrap();
    assert_eq!(inspect(&SCHEMA, &folder.database()), Integrity::Absent);
    write(&folder.open(), "kept").await.unwrap();
    assert!(set_aside(&SCHEMA, &folder.data).is_empty());
    assert_eq!(inspect(&SCHEMA, &folder.database()), Integrity::Intact);

    std::fs::write(folder.database(), "").unwrap();
    assert!(matches!(
        inspect(&SCHEMA, &folder.database()),
        Integrity::Damaged(_)
    ));
    assert_eq!(texts(&folder.open()).await.unwrap(), [""; 0]);
    assert_eq!(
        set_aside(&SCHEMA, &folder.data).len(),
        1,
        "it is said, and the file kept"
    );
}

#[tokio::test]
async fn the_log_beside_an_emptied_file_is_read_and_kept() {
    let crashed = DataFolder::new();
    let db = crashed.open();
    write(&db, "in the log").await.unwrap();
    // As a loss of power leaves a database that was never folded, with its file emptied.
    let folder = DataFolder::new();
    std::fs::copy(crashed.log(), folder.log()).unwrap();
    std::fs::write(folder.database(), "").unwrap();
    assert!(matches!(
        inspect(&SCHEMA, &folder.database()),
        Integrity::Damaged(_)
    ));
    let [aside] = {
        let opened = folder.open();
        assert_eq!(texts(&opened).await.unwrap(), ["in the log"]);
        set_aside(&SCHEMA, &folder.data).try_into().unwrap()
    };
    let log = aside.with_extension("db-wal");
    assert!(log.metadata().unwrap().len() > 0, "{}", log.display());
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_judged_alike_by_looking_and_opening() {
    let make_foreign = |path: &Path| {
        let db = Connection::open(path).unwrap();
        db.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    };
    let make_newer = |path: &Path| {
        let db = Connection::open(path).unwrap();
        db.execute_batch("PRAGMA user_version = 99").unwrap();
    };
    type Make<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Make<'_>, bool); 4] = [
        (
            "text",
            &|path| std::fs::write(path, "no database ".repeat(500)).unwrap(),
            true,
        ),
        ("foreign", &make_foreign, false),
        ("newer", &make_newer, false),
        (
            "a folder",
            &|path| std::fs::create_dir(path).unwrap(),
            false,
        ),
    ];
    for (name, make, is_damage) in cases {
        let folder = DataFolder::new();
        make(&folder.database());
        let verdict = inspect(&SCHEMA, &folder.database());
        let opened = Database::open(&SCHEMA, &folder.data);
        match verdict {
            Integrity::Damaged(_) => assert!(is_damage && opened.is_ok(), "{name}"),
            Integrity::Refused(why) => {
                assert!(!is_damage, "{name}");
                let refused = opened.err().unwrap().to_string();
                assert!(refused.contains(&why), "{name}: {refused}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
