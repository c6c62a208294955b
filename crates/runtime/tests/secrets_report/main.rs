//! How many secrets the redaction finds, and how much harmless text it destroys, over lines as programs, settings, shells,
//! logs and documents have them. `make secrets-report` prints both.
//!
//! Each secret is put together at run time: «...» stands for one, `‹...›` for a harmless hash or id. Every third line is held
//! out: the rules were written without looking at it.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod corpus;

use corpus::{Line, lines};
use shim_runtime::redact;

const SECRETS: &str = include_str!("secrets.txt");
const HARMLESS: &str = include_str!("harmless.txt");

/// The least share of secrets that must be found, and the largest of harmless lines that may be changed, in percent.
const LEAST_RECALL: f64 = 97.0;
const MOST_FALSE_ALARMS: f64 = 2.0;

/// Whether all secrets of the line are gone, halves included.
fn is_clean(line: &Line) -> bool {
    let redacted = redact::text(&line.text);
    line.secrets.iter().all(|secret| {
        let parts = secret
            .split(['\n', ' ', '\\'])
            .filter(|part| part.len() >= 4);
        let halves = parts.flat_map(|part| {
            let half = part.floor_char_boundary(part.len().div_ceil(2).max(4));
            let second = part.floor_char_boundary(part.len() - half);
            [&part[..half], &part[second..]]
        });
        halves.into_iter().all(|half| !redacted.contains(half))
    })
}

/// Prints the lines that fail, and returns the share of those that pass, in percent.
fn share(
    name: &str,
    lines: &[Line],
    held_out: Option<bool>,
    passes: impl Fn(&Line) -> bool,
) -> f64 {
    let chosen = lines
        .iter()
        .filter(|line| held_out.is_none_or(|it| it == line.is_held_out));
    let (mut count, mut passed) = (0, 0);
    for line in chosen {
        count += 1;
        if passes(line) {
            passed += 1;
        } else if held_out == Some(false) || std::env::var_os("SHOW_ALL").is_some() {
            println!(
                "  {name}: {:?} -> {:?}",
                line.text,
                redact::text(&line.text)
            );
        }
    }
    100.0 * f64::from(passed) / f64::from(count.max(1))
}

#[test]
fn secrets_are_found_and_harmless_text_stays() {
    let (secrets, harmless) = (lines(SECRETS), lines(HARMLESS));
    assert!(
        secrets.len() >= 300 && harmless.len() >= 300,
        "{} {}",
        secrets.len(),
        harmless.len()
    );
    let stays = |line: &Line| redact::text(&line.text) == line.text;
    println!(
        "{} lines with secrets, {} harmless ones",
        secrets.len(),
        harmless.len()
    );
    let mut shares = Vec::new();
    for (part, held_out) in [
        ("looked at", Some(false)),
        ("held out", Some(true)),
        ("all", None),
    ] {
        let recall = share("missed", &secrets, held_out, is_clean);
        let false_alarms = 100.0 - share("destroyed", &harmless, held_out, stays);
        println!("{part}: recall {recall:.1} %, false alarms {false_alarms:.1} %");
        shares.push((recall, false_alarms));
    }
    let (recall, false_alarms) = shares[2];
    assert!(recall >= LEAST_RECALL, "recall {recall:.1} %");
    assert!(
        false_alarms <= MOST_FALSE_ALARMS,
        "false alarms {false_alarms:.1} %"
    );
}

#[test]
fn a_redacted_line_stays_as_it_is_and_keeps_its_lines() {
    for line in lines(SECRETS).iter().chain(&lines(HARMLESS)) {
        let once = redact::text(&line.text);
        assert_eq!(redact::text(&once), once);
        let is_key = line.text.contains("PRIVATE KEY");
        assert!(
            is_key || once.lines().count() == line.text.lines().count(),
            "{once}"
        );
    }
}

#[test]
fn a_secret_is_found_in_escaped_text_too() {
    let found = |line: &Line| {
        let text = serde_json::json!({ "text": format!("first\n{}\nlast", line.text) }).to_string();
        let secrets = line
            .secrets
            .iter()
            .map(|it| it.replace('\n', "\\n"))
            .collect();
        is_clean(&Line {
            text,
            secrets,
            ..*line
        })
    };
    let secrets = lines(SECRETS);
    let recall = share("missed when escaped", &secrets, None, found);
    println!("escaped: recall {recall:.1} %");
    assert!(recall >= LEAST_RECALL - 2.0, "recall {recall:.1} %");
}
