//! The tables of settings and of reasons, held against what the code reads and answers.

use std::collections::BTreeSet;
use std::path::Path;

use shim_proto::reasons;

use super::{chapter, repository};

/// The words between backticks in the first column of a chapter's tables.
fn first_column(heading: &str) -> BTreeSet<String> {
    let chapter = chapter(heading);
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap().to_owned());
    let words = |cell: String| {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    cells.flat_map(words).collect()
}

/// The sources of the crates that are no tests, without the tests within.
fn sources() -> Vec<(String, String)> {
    let crates = [
        "src",
        "crates/runtime/src",
        "crates/store/src",
        "services",
        "gateway/src",
    ];
    let mut found = Vec::new();
    for folder in crates {
        gather(&repository().join(folder), &mut found);
    }
    found
}

fn gather(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["tests", "stories"].contains(&name) {
            gather(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.push((path.display().to_string(), program.to_owned()));
        }
    }
}

/// The literals of a text that are in UPPER_SNAKE_CASE, each with what stands before it.
fn upper_case(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_name =
        |word: &str| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    text.match_indices('"').filter_map(move |(at, _)| {
        let (word, _) = text[at + 1..].split_once('"')?;
        is_name(word).then(|| (text[..at].trim_end(), word))
    })
}

/// Where a literal is the reason of a failure: in the map of a crate's errors, and wherever a fault is made.
fn is_reason(file: &str, before: &str) -> bool {
    let in_map = file.ends_with("/error.rs") && before.ends_with(',');
    in_map || before.ends_with("reason:") || before.ends_with("ToolError::new(")
}

#[test]
fn every_reason_has_its_remedy() {
    let documented = first_column("When it says no");
    let given = reasons::ALL.iter().map(|reason| (*reason).to_owned());
    assert_eq!(documented, given.collect());
    // Reasons of tasks stand below the table.
    let chapter = chapter("When it says no");
    for reason in reasons::task::ALL {
        assert!(chapter.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn every_reason_of_the_contract_is_given_and_no_other() {
    let known: BTreeSet<_> = [reasons::ALL, reasons::task::ALL]
        .concat()
        .into_iter()
        .collect();
    let mut given = BTreeSet::new();
    for (file, text) in sources() {
        for (before, reason) in upper_case(&text) {
            if is_reason(&file, before) {
                assert!(
                    known.contains(reason),
                    "{file}: {reason} is not in shim_proto::reasons"
                );
            }
            given.extend(known.get(reason).copied());
        }
        let words = text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        given.extend(words.filter_map(|word| known.get(word).copied()));
    }
    // The store's scripts give this one.
    given.insert(reasons::task::DEPENDENCY_FAILED);
    assert_eq!(known, given);
}

/// The keys that a text reads, as far as they are written out.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    let reads = [
        "get(",
        "get_or(",
        "get_list(",
        "get_within(",
        "rate(",
        "file(",
        "number(",
    ];
    text.match_indices('"').filter_map(move |(at, _)| {
        let (key, _) = text[at + 1..].split_once('"')?;
        let is_key = !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || "._".contains(c));
        let mut before = text[..at].trim_end();
        // Some readers take the settings first; the collector's names its type.
        before = before
            .strip_suffix("settings,")
            .unwrap_or(before)
            .trim_end();
        (is_key
            && reads
                .iter()
                .any(|read| before.ends_with(read) || before.ends_with("::<Collector>(")))
        .then_some(key)
    })
}

#[test]
fn every_setting_is_explained() {
    let documented = first_column("Settings");
    let mut read = BTreeSet::new();
    for (file, text) in sources() {
        let is_config = text.contains("settings: &mut Settings");
        if is_config || file.ends_with("/src/config.rs") {
            read.extend(keys(&text).map(str::to_owned));
        }
    }
    assert!(read.len() > 40, "{read:?}");
    let missing: Vec<_> = read.difference(&documented).collect();
    assert!(missing.is_empty(), "not in the book: {missing:?}");
    // What the book explains is written somewhere as it stands; fields of an executor by their own name.
    let all: String = sources().into_iter().map(|(_, text)| text).collect();
    for key in documented {
        let key = key.strip_prefix("worker.executors.NAME.").unwrap_or(&key);
        assert!(all.contains(&format!("\"{key}\"")), "nothing reads {key}");
    }
}
