//! A damaged database is set aside, said loudly, and what can be read is carried over. Never is a lie served.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use shim_tests::rng::SeededRng;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, sample_content};

use super::known_store::{KnownStore, Served, copy_files};

const DATABASE: &str = "checkpoints.db";
/// Each flips some bits somewhere else.
const FLIP_SEEDS: std::ops::Range<u64> = 1..33;
const LOG_FLIP_SEEDS: std::ops::Range<u64> = 1..9;

/// A data folder with known contents, all of them in the main file.
async fn known_files() -> (TempEnv, KnownStore) {
    let temp = TempEnv::new();
    let mut service = Service::start(&temp.data_dir()).await;
    let known = KnownStore::fill(&service, 3, 40).await;
    assert!(service.stop().success());
    // The last connection that closes folds the log into the main file, so that damage there is felt.
    let database = Connection::open(temp.data_dir().join(DATABASE)).unwrap();
    database
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    (temp, known)
}

/// Damages a copy, starts a service on it and holds all it serves against the truth.
async fn served_after(
    files: &Path,
    known: &KnownStore,
    damage: impl FnOnce(&Path),
) -> (Served, PathBuf, TempEnv) {
    let temp = TempEnv::new();
    copy_files(files, &temp.data_dir());
    damage(&temp.data_dir().join(DATABASE));
    let service = Service::start(&temp.data_dir()).await;
    let served = known.assert_serves_only_truth(&service).await;

    let mut client = service.client();
    let session = calls::open(&mut client, "/after")
        .await
        .expect("work goes on");
    let state = sample_content::state(&mut SeededRng::new(5), "after the damage", 500);
    calls::save(&mut client, &session, state)
        .await
        .expect("work goes on");
    let data_dir = temp.data_dir();
    (served, data_dir, temp)
}

fn set_aside(data_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.to_string_lossy().contains("damaged"))
        .collect()
}

fn log_of(temp: &TempEnv) -> String {
    std::fs::read_to_string(temp.root().join("checkpoint.log")).unwrap()
}

#[tokio::test]
async fn an_intact_database_is_served_whole() {
    let (files, known) = known_files().await;
    let (served, data_dir, _temp) = served_after(&files.data_dir(), &known, |_| {}).await;
    assert_eq!(served, known.whole());
    assert!(set_aside(&data_dir).is_empty());
}

#[tokio::test]
async fn a_truncated_database_is_set_aside_and_its_rest_carried_over() {
    let (files, known) = known_files().await;
    let truncate_to_half = |database: &Path| {
        let file = OpenOptions::new().write(true).open(database).unwrap();
        let half = file.metadata().unwrap().len() / 2;
        file.set_len(half).unwrap();
    };
    let (served, data_dir, temp) = served_after(&files.data_dir(), &known, truncate_to_half).await;
    assert!(!set_aside(&data_dir).is_empty(), "the damaged file is kept");
    assert!(
        log_of(&temp).to_lowercase().contains("damaged"),
        "it is said loudly"
    );
    assert!(
        served.checkpoints > 0 && served.checkpoints < known.whole().checkpoints,
        "{served:?}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let (files, known) = known_files().await;
    let overwrite_head = |database: &Path| {
        let file = OpenOptions::new().write(true).open(database).unwrap();
        file.write_all_at(&[0xA5; 100], 0).unwrap();
    };
    let (_, data_dir, temp) = served_after(&files.data_dir(), &known, overwrite_head).await;
    assert!(!set_aside(&data_dir).is_empty(), "the damaged file is kept");
    assert!(
        log_of(&temp).to_lowercase().contains("damaged"),
        "it is said loudly"
    );
}

#[tokio::test]
async fn flipped_bits_are_found_and_never_served() {
    let (files, known) = known_files().await;
    let mut tally = Vec::new();
    for seed in FLIP_SEEDS {
        let flip = |database: &Path| flip_bits(database, seed);
        let (served, data_dir, _temp) = served_after(&files.data_dir(), &known, flip).await;
        tally.push((seed, served, !set_aside(&data_dir).is_empty()));
    }
    let whole = known.whole();
    let hurt = tally
        .iter()
        .filter(|(_, served, _)| *served != whole)
        .count();
    assert!(hurt > 0, "some flips hit contents: {tally:?}");
    let least = tally.iter().map(|(_, served, _)| served.checkpoints).min();
    assert!(
        least > Some(0),
        "a few bits do not cost everything: {tally:?}"
    );
}

#[tokio::test]
async fn flipped_bits_in_the_log_cost_its_end_and_no_truth() {
    let files = TempEnv::new();
    let mut service = Service::start(&files.data_dir()).await;
    let known = KnownStore::fill(&service, 3, 10).await;
    service.kill();
    for seed in LOG_FLIP_SEEDS {
        let flip = |database: &Path| flip_bits(&database.with_extension("db-wal"), seed);
        served_after(&files.data_dir(), &known, flip).await;
    }
}

/// Flips one to eight bits anywhere behind the first 100 bytes, the header of a database.
fn flip_bits(database: &Path, seed: u64) {
    let mut rng = SeededRng::new(seed);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(database)
        .unwrap();
    let length = file.metadata().unwrap().len();
    for _ in 0..rng.within(1..9) {
        let at = rng.within(100..length);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        byte[0] ^= 1 << rng.within(0..8);
        file.write_all_at(&byte, at).unwrap();
    }
}
