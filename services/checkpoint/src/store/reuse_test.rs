//! States that share segments: what is read is what was saved, whatever else was dropped, damaged or written by an older version.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use rusqlite::Connection;
use shim_proto::checkpoint::v1::*;
use shim_runtime::ids::SessionId;
use tempfile::TempDir;

use super::layout::{Part, StateColumn, read};
use super::reading::CheckpointRef;
use super::{Owner, SaveOptions, Store, VerifyScope, verify};
use crate::domain::carry_over::Changes;
use crate::error::Error;

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A decision of about 150 characters that no other is like.
fn decision(number: u64) -> String {
    let hash = blake3::hash(&number.to_le_bytes()).to_hex();
    format!("decision {number}: {hash} because of what was seen in {hash}")
}

async fn open(store: &Store) -> Owner {
    let opened = store.open_session(OpenSessionRequest {
        request_id: id(),
        project: "/p".into(),
        ..Default::default()
    });
    let session = opened.await.unwrap().session.unwrap();
    Owner::new(session.id.parse().unwrap(), session.epoch)
}

async fn save(store: &Store, owner: Owner, decisions: Vec<String>, carry_over: bool) -> Checkpoint {
    let request = SaveCheckpointRequest {
        request_id: id(),
        session_id: owner.session.to_string(),
        epoch: owner.epoch.0,
        state: Some(CheckpointState {
            current_task: "a task that grows".into(),
            decisions,
            ..Default::default()
        }),
        carry_over,
        ..Default::default()
    };
    let options = SaveOptions {
        owner,
        trigger: CheckpointTrigger::Manual,
        changes: Changes::default(),
    };
    let saved = store.save_checkpoint(options, request).await.unwrap();
    saved.checkpoint.unwrap()
}

async fn content(store: &Store, session: SessionId, number: u64) -> Result<Vec<String>, Error> {
    let wanted = CheckpointRef::Number(session, number);
    let found = store.get_checkpoint(wanted).await;
    found.map(|(_, state, _)| state.decisions)
}

fn database(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("checkpoints.db")).unwrap()
}

fn rows(db: &Connection, table: &str) -> Vec<i64> {
    let mut statement = db
        .prepare(&format!("SELECT row_id FROM {table} ORDER BY row_id"))
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The segments that contents name, ascending.
fn used(db: &Connection) -> Vec<i64> {
    let mut statement = db
        .prepare("SELECT state FROM checkpoints WHERE state IS NOT NULL")
        .unwrap();
    let states = statement.query_map([], |row| row.get(0)).unwrap();
    let mut used = HashSet::new();
    for state in states {
        let state: Vec<u8> = state.unwrap();
        if let StateColumn::Parts(parts, _) = read(&state) {
            used.extend(parts.iter().filter_map(|part| match part {
                Part::Segment(row) => Some(*row),
                Part::Inline { .. } => None,
            }));
        }
    }
    let mut used: Vec<i64> = used.into_iter().collect();
    used.sort_unstable();
    used
}

/// Saves one more decision each, with what was carried over.
async fn grow(store: &Store, owner: Owner, saves: u64) {
    for number in 1..=saves {
        save(store, owner, vec![decision(number)], true).await;
    }
}

#[tokio::test]
async fn a_save_of_a_growing_session_costs_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1, None).unwrap();
    let owner = open(&store).await;
    grow(&store, owner, 300).await;
    let db = database(&folder);
    let mean = |from: u64, to: u64| -> f64 {
        let sql = "SELECT avg(length(state)) FROM checkpoints WHERE number BETWEEN ?1 AND ?2";
        db.query_row(sql, [from.cast_signed(), to.cast_signed()], |row| {
            row.get(0)
        })
        .unwrap()
    };
    let (early, late) = (mean(51, 100), mean(251, 300));
    assert!(late < 2.5 * early, "{early} -> {late} bytes");
    let kept: i64 = db
        .query_row(
            "SELECT (SELECT sum(length(state)) FROM checkpoints) + 2 * (SELECT sum(length(bytes)) FROM segments)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let encoded: i64 = (1..=300_i64).map(|n| n * 150).sum();
    assert!(kept < encoded / 15, "{kept} of {encoded} bytes");
    eprintln!("{early} -> {late} bytes in a row; {kept} of {encoded} in all");
    assert_eq!(
        content(&store, owner.session, 300).await.unwrap().len(),
        300
    );
    assert_eq!(
        content(&store, owner.session, 150).await.unwrap().len(),
        150
    );
}

/// xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// A session, and what each of its checkpoints that was not dropped holds.
struct Model {
    owner: Owner,
    newest: u64,
    contents: BTreeMap<u64, Vec<String>>,
}

impl Model {
    async fn check(&self, store: &Store) {
        for number in 1..=self.newest {
            let found = content(store, self.owner.session, number).await;
            match self.contents.get(&number) {
                Some(expected) => assert_eq!(&found.unwrap(), expected, "#{number}"),
                None => assert!(matches!(found, Err(Error::Thinned(_))), "#{number}"),
            }
        }
    }

    /// Saves what the newest content becomes: longer at the end, or changed anywhere.
    async fn save(&mut self, store: &Store, chance: &mut Chance, fresh: &mut u64) {
        let mut all = self
            .contents
            .last_key_value()
            .map_or_else(Vec::new, |(_, it)| it.clone());
        let is_carried = chance.below(2) == 0 && self.contents.contains_key(&self.newest);
        let mut new = Vec::new();
        for _ in 0..=chance.below(12) {
            *fresh += 1;
            new.push(decision(*fresh));
        }
        let at = if is_carried {
            all.len()
        } else {
            chance.below(all.len() + 1)
        };
        if !is_carried && chance.below(3) == 0 {
            all.truncate(at);
        }
        all.splice(at..at, new.clone());
        let sent = if is_carried { new } else { all.clone() };
        let saved = save(store, self.owner, sent, is_carried).await;
        self.newest = saved.number;
        self.contents.insert(saved.number, all);
    }

    async fn thin(&mut self, store: &Store, chance: &mut Chance) {
        let stored = store.stored_session(self.owner.session).await.unwrap();
        let kept: Vec<u64> = self.contents.keys().copied().collect();
        let dropped: Vec<u64> = kept.into_iter().filter(|_| chance.below(3) == 0).collect();
        store.thin(stored, dropped.clone()).await.unwrap();
        self.contents.retain(|number, _| !dropped.contains(number));
    }
}

async fn walk(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1, None).unwrap();
    let (mut chance, mut fresh) = (Chance(seed | 1), 0);
    let mut models: Vec<Model> = Vec::new();
    for _ in 0..60 {
        if models.len() < 2 {
            let (owner, contents) = (open(&store).await, BTreeMap::new());
            models.push(Model {
                owner,
                newest: 0,
                contents,
            });
        }
        let at = chance.below(models.len());
        match chance.below(12) {
            0 | 1 => models[at].thin(&store, &mut chance).await,
            2 if models.len() > 1 => {
                let request = DeleteSessionRequest {
                    request_id: id(),
                    force: true,
                    ..Default::default()
                };
                let gone = models.remove(at).owner.session;
                store.delete_session(gone, request).await.unwrap();
            }
            _ => models[at].save(&store, &mut chance, &mut fresh).await,
        }
        let db = database(&folder);
        let used = used(&db);
        assert_eq!(
            rows(&db, "segments"),
            used,
            "what is used is there, and no more"
        );
        assert_eq!(rows(&db, "segment_copies"), used);
    }
    for model in &models {
        model.check(&store).await;
    }
    drop(store);
    let report = verify(
        &folder.path().join("checkpoints.db"),
        &VerifyScope::default(),
    )
    .unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

#[tokio::test]
async fn retention_removes_no_segment_in_use_and_leaves_none_behind() {
    let given = std::env::var("SHIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = given.map_or_else(|| (1..=8).collect(), |seed| vec![seed]);
    for seed in seeds {
        eprintln!("SHIM_SEED={seed}");
        walk(seed).await;
    }
}

fn damage(folder: &Path, table: &str) {
    let db = Connection::open(folder.join("checkpoints.db")).unwrap();
    let sql = format!(
        "UPDATE {table} SET bytes = substr(bytes, 1, 30) || x'ff' || substr(bytes, 32) WHERE row_id = 3"
    );
    assert_eq!(db.execute(&sql, []).unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_segment_costs_no_checkpoint_until_its_copy_is_damaged_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1, None).unwrap();
    let owner = open(&store).await;
    grow(&store, owner, 100).await;
    let faults = || {
        let database = folder.path().join("checkpoints.db");
        let found = verify(&database, &VerifyScope::default()).unwrap().faults;
        found
            .into_iter()
            .map(|fault| fault.what)
            .collect::<Vec<_>>()
    };
    damage(folder.path(), "segments");
    assert_eq!(
        content(&store, owner.session, 100).await.unwrap().len(),
        100
    );
    assert_eq!(faults(), ["row 3 of segments is damaged"]);
    damage(folder.path(), "segment_copies");
    let read = content(&store, owner.session, 100).await;
    assert!(matches!(read, Err(Error::Store(_))), "{read:?}");
    assert!(
        content(&store, owner.session, 20).await.is_ok(),
        "it needs other segments"
    );
    let found = faults();
    assert!(found.contains(&"#100 is damaged".to_owned()), "{found:?}");
    assert!(!found.contains(&"#20 is damaged".to_owned()), "{found:?}");
}

#[tokio::test]
async fn salvage_takes_whichever_copy_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1, None).unwrap();
    let owner = open(&store).await;
    grow(&store, owner, 100).await;
    drop(store);
    damage(folder.path(), "segments");
    let mut target = Connection::open_in_memory().unwrap();
    for step in super::SCHEMA.migrations {
        target.execute_batch(step).unwrap();
    }
    let damaged = folder.path().join("checkpoints.db");
    let report = super::salvage::copy_intact(&damaged, &mut target).unwrap();
    assert_eq!((report.checkpoints, report.unreadable), (100, 1));
    assert_eq!(rows(&target, "segments"), used(&target));
    assert_eq!(rows(&target, "segment_copies"), used(&target));
}

#[tokio::test]
async fn a_database_of_the_older_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1, None).unwrap();
    let owner = open(&store).await;
    let mut decisions: Vec<String> = (1..=100).map(decision).collect();
    save(&store, owner, decisions.clone(), false).await;
    drop(store);
    // As the version before left it: its rows are whole frames, and it knows no segments.
    let db = database(&folder);
    db.execute_batch("DROP TABLE segments; DROP TABLE segment_copies; PRAGMA user_version = 3")
        .unwrap();
    drop(db);
    let store = Store::open(folder.path(), 1, None).unwrap();
    assert_eq!(content(&store, owner.session, 1).await.unwrap(), decisions);
    for number in 101..=103 {
        save(&store, owner, vec![decision(number)], true).await;
        decisions.push(decision(number));
    }
    assert!(!used(&database(&folder)).is_empty());
    let stored = store.stored_session(owner.session).await.unwrap();
    store.thin(stored.clone(), vec![1, 2]).await.unwrap();
    assert_eq!(content(&store, owner.session, 4).await.unwrap(), decisions);
    let archived = store
        .archived_checkpoints(stored.row_id, 0, 10)
        .await
        .unwrap();
    assert!(archived.iter().all(|(_, record)| record.is_ok()));
}
