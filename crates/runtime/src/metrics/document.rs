//! `deploy/METRICS.md` is the table, written for people; this keeps the two the same.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Kind, Label, METRICS, Metric, Unit};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/METRICS.md");
/// Set to write the file instead of comparing it.
const REWRITE: &str = "REWRITE_METRICS_MD";

const INTRODUCTION: &str = "\
# Metrics

A process with `metrics_listen` set answers Prometheus at `http://ADDRESS/metrics`. On a loopback address anyone may ask;
elsewhere a token with the role read is asked for, unless `metrics.open = true`. A gateway over stdio shows its metrics
only if it is started with `--metrics-listen ADDRESS`, since a client may start many.

`shim up` is all owners but the gateway in one process. Labels have the values given here and no others, so the number of
series does not grow with what clients send; a label without values takes them from the contract, the configuration or
the rules of redaction. Counters without labels, or with one whose values are known, are there at zero from the start, and
those of all rules of redaction too.
Histograms of seconds have 21 buckets from 50 microseconds to 5 minutes. A gauge is NaN while its value is not known, as
the queues' while Redis cannot be asked.

This file is written from the table in `crates/runtime/src/metrics/table.rs`, by
`REWRITE_METRICS_MD=1 cargo test -p shim-runtime metrics::document`.
";

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut owner = "";
    for metric in METRICS {
        if metric.owner != owner {
            owner = metric.owner;
            let title = owner[..1].to_uppercase() + &owner[1..];
            write!(
                text,
                "\n## {title}\n\n| metric | kind | unit | labels | tells |\n| --- | --- | --- | --- | --- |\n"
            )
            .unwrap();
        }
        writeln!(text, "{}", row(metric)).unwrap();
    }
    text
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    let Metric { name, help, .. } = metric;
    let (kind, unit, labels) = (metric.kind.name(), unit(metric.unit), labels.join("; "));
    format!("| `{name}` | {kind} | {unit} | {labels} | {help} |")
}

fn label(label: &Label) -> String {
    if label.values.is_empty() {
        return format!("`{}`", label.name);
    }
    let values: Vec<&str> = label
        .values
        .iter()
        .map(|value| if value.is_empty() { "(none)" } else { value })
        .collect();
    format!("`{}`: {}", label.name, values.join(", "))
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Count => "count",
        Unit::Ratio => "ratio",
    }
}

#[test]
fn the_document_is_the_table() {
    let expected = document();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(PATH, &expected).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "deploy/METRICS.md differs from the table");
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
fn names_say_what_they_measure_and_are_unique() {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let Metric {
            name, kind, unit, ..
        } = *metric;
        assert!(names.insert(name), "{name} stands twice");
        assert!(name.starts_with("shim_"), "{name}");
        assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
        let stem = name.trim_end_matches("_total");
        match unit {
            Unit::Seconds => assert!(stem.ends_with("_seconds"), "{name}"),
            Unit::Bytes => assert!(stem.ends_with("_bytes"), "{name}"),
            Unit::Ratio => assert!(stem.ends_with("_ratio"), "{name}"),
            Unit::Count => assert!(
                !["_seconds", "_bytes", "_ratio"]
                    .iter()
                    .any(|it| stem.ends_with(it)),
                "{name}"
            ),
        }
        assert!(!metric.help.contains(['\n', '\\', '|']), "{name}");
    }
}
