#![allow(clippy::unwrap_used)]
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::super::leases;
use super::*;

use FileLeaseMode::{Exclusive, Shared};

fn lease(id: &str, holder: &str, mode: FileLeaseMode, patterns: &[&str]) -> FileLease {
    FileLease {
        lease_id: id.to_owned(),
        holder: holder.to_owned(),
        patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
        mode: mode.into(),
        ..Default::default()
    }
}

fn spec(holder: &str, mode: FileLeaseMode, patterns: &[&str]) -> LeaseSpec {
    let parse = |&pattern: &&str| Pattern::parse(pattern).unwrap();
    LeaseSpec {
        holder: holder.to_owned(),
        mode,
        patterns: patterns.iter().map(parse).collect(),
    }
}

fn table(leases: impl IntoIterator<Item = FileLease>) -> LeaseTable {
    let mut table = LeaseTable::default();
    leases.into_iter().for_each(|lease| table.put(lease));
    table
}

fn in_the_way(table: &LeaseTable, spec: &LeaseSpec) -> Vec<String> {
    let found = conflicts(&table.candidates(spec), spec);
    found
        .into_iter()
        .map(|conflict| conflict.lease.lease_id)
        .collect()
}

#[test]
fn only_shared_leases_and_those_of_one_holder_overlap() {
    for (held, wanted, is_free) in [
        (Exclusive, Exclusive, false),
        (Exclusive, Shared, false),
        (Shared, Exclusive, false),
        (Shared, Shared, true),
        (FileLeaseMode::Unspecified, Shared, false),
    ] {
        let table = table([lease("l", "one", held, &["src/**"])]);
        let found = in_the_way(&table, &spec("two", wanted, &["src/a.rs"]));
        assert_eq!(found.is_empty(), is_free, "{held:?} and {wanted:?}");
        for other in [
            spec("one", wanted, &["src/a.rs"]),
            spec("two", wanted, &["lib/a.rs"]),
        ] {
            assert!(in_the_way(&table, &other).is_empty());
        }
    }
}

#[test]
fn a_workspace_has_a_bound() {
    let numbered = |i: usize| lease(&i.to_string(), "one", Exclusive, &["lib"]);
    let draft = numbered(0);
    let many = table((1..MAX_LEASES).map(numbered));
    assert!(!many.is_full(&draft));
    assert!(table((1..=MAX_LEASES).map(numbered)).is_full(&draft));
    let long = "x".repeat(MAX_TABLE_BYTES);
    assert!(table([lease("l", "one", Exclusive, &[&long])]).is_full(&draft));
}

#[test]
fn a_stored_pattern_that_cannot_be_read_covers_everything() {
    let table = table([lease("l", "one", Exclusive, &["{of a later version"])]);
    assert_eq!(
        in_the_way(&table, &spec("me", Exclusive, &["src"])).len(),
        1
    );
}

#[test]
fn a_comparison_meets_what_may_overlap_and_nothing_else() {
    let table = table((0..1_000).map(|i| {
        let pattern = format!("src/{i}.rs");
        lease(&i.to_string(), "one", Exclusive, &[&pattern])
    }));
    let compared = |pattern| table.candidates(&spec("me", Exclusive, &[pattern])).len();
    assert_eq!(compared("src/7.rs"), 1);
    assert_eq!(compared("src/7.rs/x"), 1);
    assert_eq!(compared("src/new.rs"), 0);
    assert_eq!(compared("lib/**"), 0);
    assert_eq!(compared("src"), 1_000);
    assert_eq!(compared("**/7.rs"), 1_000);
}

fn assert_same_conflicts(table: &LeaseTable, all: &[FileLease], wanted: Pattern) {
    let shown = format!("{wanted:?}");
    let spec = LeaseSpec {
        holder: "me".into(),
        mode: Exclusive,
        patterns: vec![wanted],
    };
    let mut found = in_the_way(table, &spec);
    let expected = leases::conflicts(all, &spec).into_iter();
    let mut expected: Vec<_> = expected.map(|conflict| conflict.lease.lease_id).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{shown}");
}

/// What the table finds is what a comparison with every lease finds, whatever came and went.
#[test]
fn the_table_finds_what_a_look_at_every_lease_finds() {
    const NAMES: [&str; 10] = [
        "a", "b", "a.rs", "*", "**", "*.rs", "{a,b}", "[ab]", "a*", "?",
    ];
    let seed: u64 = rand::random();
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let pattern = |rng: &mut StdRng| {
        let names: Vec<_> = (0..rng.random_range(1..5))
            .map(|_| *NAMES.choose(rng).unwrap())
            .collect();
        names.join("/")
    };
    let (mut table, mut all) = (LeaseTable::default(), Vec::<FileLease>::new());
    for _ in 0..2_000 {
        let (one, two) = (pattern(&mut rng), pattern(&mut rng));
        let Ok(wanted) = Pattern::parse(&one) else {
            continue;
        };
        assert_same_conflicts(&table, &all, wanted);
        let id = rng.random_range(0..40).to_string();
        table.remove(&id);
        all.retain(|lease| lease.lease_id != id);
        if rng.random_bool(0.7) {
            let new = lease(&id, "one", Exclusive, &[&one, &two]);
            table.put(new.clone());
            all.push(new);
        }
        let bytes: usize = all.iter().map(Message::encoded_len).sum();
        assert_eq!((table.len(), table.encoded_len()), (all.len(), bytes));
    }
}
