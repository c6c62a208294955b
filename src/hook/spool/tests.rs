#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ObservationSource, PromptSubmitted};

use super::*;

fn event(number: usize, text: &str) -> ObservedEvent {
    ObservedEvent {
        event_id: format!("event-{number:06}"),
        conversation: "c0ffee".into(),
        event: Some(Event::PromptSubmitted(PromptSubmitted {
            text: text.into(),
            ..PromptSubmitted::default()
        })),
        ..ObservedEvent::default()
    }
}

/// What a reader finds, in its order.
fn taken(spool: &Spool) -> Vec<ObservedEvent> {
    if let Some(active) = Active::find(&spool.folder).unwrap() {
        active.complete(&spool.new_name()).unwrap();
    }
    let files = spool.complete_files().unwrap();
    files
        .iter()
        .flat_map(|file| record::read_file(file).unwrap().events)
        .collect()
}

fn ids(events: &[ObservedEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_id.as_str()).collect()
}

#[test]
fn events_come_back_in_order_from_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path());
    assert!(taken(&spool).is_empty());
    for number in 0..20 {
        assert_eq!(spool.append(&event(number, "x")).unwrap(), 0);
    }
    let read = taken(&spool);
    let expected: Vec<String> = (0..20).map(|number| format!("event-{number:06}")).collect();
    assert_eq!(ids(&read), expected);
    assert!(
        read.iter()
            .all(|event| event.source() == ObservationSource::Spool)
    );
}

#[test]
fn no_secret_is_written_to_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path());
    let secret = format!("ghp_{}", "aB3dE5gH7jK9".repeat(3));
    spool
        .append(&event(0, &format!("use {secret} for it")))
        .unwrap();
    spool
        .remember_start(&event(0, &format!("use {secret}")))
        .unwrap();
    let read = taken(&spool);
    let started = spool.unanswered_start("c0ffee").unwrap();
    assert!(!format!("{read:?} {started:?}").contains(&secret));
    assert!(format!("{read:?}").contains("[redacted:"), "{read:?}");
}

#[test]
fn a_full_spool_drops_the_oldest_and_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path());
    let text = "x".repeat(60_000);
    let (mut dropped, appended) = (0, 300);
    for number in 0..appended {
        dropped += spool.append(&event(number, &text)).unwrap();
    }
    let read = taken(&spool);
    let files = spool.complete_files().unwrap();
    let size: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(size <= MAX_SPOOL_BYTES + MAX_FILE_BYTES, "{size}");
    assert!(
        dropped > 0 && dropped as usize + read.len() == appended,
        "{dropped} {}",
        read.len()
    );
    assert_eq!(
        read.last().unwrap().event_id,
        format!("event-{:06}", appended - 1)
    );
}

/// Whatever of its end a file loses, and wherever a byte changes, only the lines hit are lost.
#[test]
fn torn_and_damaged_lines_are_skipped() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed.into());
    for _ in 0..200 {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::of(folder.path());
        for number in 0..5 {
            spool.append(&event(number, "x")).unwrap();
        }
        let path = spool.folder.join("active");
        let mut bytes = std::fs::read(&path).unwrap();
        let line = bytes.len() / 5;
        let cut = random.random_range(0..bytes.len());
        let whole = cut / line;
        bytes.truncate(cut);
        std::fs::write(&path, &bytes).unwrap();
        spool.append(&event(9, "x")).unwrap();
        let mut expected: Vec<String> = (0..whole)
            .map(|number| format!("event-{number:06}"))
            .collect();
        // A line that lost no more than its end is whole.
        if cut % line == line - 1 {
            expected.push(format!("event-{whole:06}"));
        }
        expected.push("event-000009".to_owned());
        assert_eq!(ids(&taken(&spool)), expected, "cut at {cut}");

        let mut damaged = std::fs::read(&spool.complete_files().unwrap()[0]).unwrap();
        let at = random.random_range(0..damaged.len());
        damaged[at] ^= 1 << random.random_range(0..8);
        std::fs::write(&spool.complete_files().unwrap()[0], &damaged).unwrap();
        let left = taken(&spool).len();
        assert!(left + 2 >= expected.len() && left <= expected.len(), "{at}");
    }
}

/// Hooks of many processes append while a reader takes files: each event is read once.
#[test]
fn hooks_append_while_the_reader_takes() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path());
    let mut read = Vec::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let spool = spool.clone();
                scope.spawn(move || {
                    for number in 0..50 {
                        spool.append(&event(writer * 50 + number, "x")).unwrap();
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            read.extend(taken(&spool));
            for file in spool.complete_files().unwrap() {
                std::fs::remove_file(file).unwrap();
            }
        }
    });
    read.extend(taken(&spool));
    let distinct: BTreeSet<_> = ids(&read).into_iter().collect();
    assert_eq!((read.len(), distinct.len()), (400, 400));
}

#[test]
fn a_start_without_an_answer_is_remembered_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path());
    assert!(spool.unanswered_start("c0ffee").is_none());
    spool.remember_start(&event(7, "x")).unwrap();
    assert_eq!(
        spool.unanswered_start("c0ffee").unwrap().event_id,
        "event-000007"
    );
    assert!(spool.unanswered_start("another").is_none());
    assert!(taken(&spool).is_empty(), "it is no event of the spool");
    spool.forget_old(SystemTime::now());
    assert!(spool.unanswered_start("c0ffee").is_some());
    spool.forget_old(SystemTime::now() + Duration::from_secs(25 * 3_600));
    assert!(spool.unanswered_start("c0ffee").is_none());
    spool.remember_start(&event(7, "x")).unwrap();
    spool.forget_start("c0ffee");
    assert!(spool.unanswered_start("c0ffee").is_none());
}

#[test]
fn a_file_of_somebody_else_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path());
    std::fs::create_dir(&spool.folder).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, spool.folder.join("active")).unwrap();
    assert!(spool.append(&event(0, "x")).is_err());
    assert_eq!(std::fs::read(&elsewhere).unwrap(), b"");
}
