//! What the documentation names exists: every path, link, heading, command, target of make and setting.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use shim_tests::binary;

use super::{read, repository};

/// Folders of the repository that a path may begin with.
const TOP: [&str; 9] = [
    "src/",
    "proto/",
    "crates/",
    "services/",
    "gateway/",
    "deploy/",
    "tests/",
    "docs/",
    "findings/",
];
/// Files that a build or a person makes; they are in no checkout.
const MADE: [&str; 2] = ["src/store", "deploy/compose/secrets"];
/// The first parts of settings.
const SECTIONS: [&str; 17] = [
    "auth",
    "checkpoint",
    "coordination",
    "endpoints",
    "gateway",
    "limits",
    "log",
    "metrics",
    "otlp",
    "redis",
    "registry",
    "retention",
    "signals",
    "tasks",
    "tls",
    "worker",
    "evolution",
];

/// The files of the repository that match these patterns, new ones included.
fn listed_files(patterns: &[&str]) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .args(patterns)
        .current_dir(repository())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(PathBuf::from).collect()
}

/// Every document of the repository, by its path.
fn documents() -> BTreeMap<PathBuf, String> {
    let listed = listed_files(&["*.md"]).into_iter();
    listed
        .filter(|path| repository().join(path).is_file())
        .map(|path| {
            let text = read(path.to_str().unwrap());
            (path, text)
        })
        .collect()
}

/// The texts between single backticks, outside of blocks.
fn quoted(document: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The lines of blocks of shell commands, without their comments.
fn shell_lines(document: &str) -> Vec<&str> {
    let mut in_shell = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            in_shell = line.starts_with("```sh") && !in_shell;
        } else if in_shell {
            found.push(line.split(" #").next().unwrap_or(line));
        }
    }
    found
}

/// The path that a quoted text is, as far as it is spelled out; `None` if it is none.
fn as_path(text: &str) -> Option<&str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._/-*".contains(letter);
    let is_path = text.contains('/') && text.chars().all(plain);
    let is_ours = TOP.iter().any(|top| text.starts_with(top));
    let is_made = MADE.iter().any(|made| text.starts_with(made));
    if !is_path || !is_ours || is_made {
        return None;
    }
    let spelled_out = text.split('*').next().unwrap_or(text);
    let folder = spelled_out
        .rfind('/')
        .map_or(spelled_out, |at| &spelled_out[..at]);
    Some(if text.contains('*') { folder } else { text })
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut missing = Vec::new();
    for (document, text) in documents() {
        let own = repository().join(document.parent().unwrap_or(Path::new("")));
        for path in quoted(&text).into_iter().filter_map(as_path) {
            if !repository().join(path).exists() && !own.join(path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The endings of files that a crate's README names by a part of their path.
const SOURCES: [&str; 3] = [".rs", ".lua", ".proto"];

/// What a crate's README names of the crate itself: a source (`saving.rs`, `rpc/save_checkpoint.rs`) or a folder (`rpc/`),
/// up to its first asterisk.
fn as_part_of_crate(text: &str) -> Option<&str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._/-*".contains(letter);
    let is_source = SOURCES
        .iter()
        .any(|ending| text.len() > ending.len() && text.ends_with(ending));
    let is_ours = is_source || (text.ends_with('/') && text.len() > 1);
    if !is_ours || !text.chars().all(plain) || text.starts_with("target/") {
        return None;
    }
    Some(text.split('*').next().unwrap_or(text))
}

#[test]
fn every_source_that_the_readme_of_a_crate_names_is_in_the_crate() {
    let listed = listed_files(&["*"]);
    let mut missing = Vec::new();
    for (document, text) in documents() {
        let own = document.parent().unwrap_or(Path::new(""));
        let is_crate = own != Path::new("") && repository().join(own).join("Cargo.toml").exists();
        if !is_crate || document.file_name() != Some("README.md".as_ref()) {
            continue;
        }
        let within: Vec<_> = listed
            .iter()
            .filter_map(|path| path.strip_prefix(own).ok()?.to_str())
            .map(|path| format!("/{path}"))
            .collect();
        for part in quoted(&text).into_iter().filter_map(as_part_of_crate) {
            let is_there = within.iter().any(|path| path.contains(&format!("/{part}")));
            if !is_there && !repository().join(part).exists() {
                missing.push(format!("{}: {part}", document.display()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "correct the name, or leave it out if the file is gone: {missing:#?}"
    );
}

/// A heading as a link names it (GitHub's rule: lower case, blanks to hyphens, other signs left out).
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let documents = documents();
    let mut missing = Vec::new();
    for (document, text) in &documents {
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let own = document.parent().unwrap_or(Path::new(""));
            let file = if path.is_empty() {
                repository().join(document)
            } else {
                repository().join(own).join(path)
            };
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let mut headings = text.lines().filter(|line| line.starts_with('#'));
            let leads = file.exists()
                && (heading.is_empty() || headings.any(|line| anchor(line) == heading));
            if !leads {
                missing.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The subcommands below a command, from its own help.
fn subcommands(words: &[&str]) -> BTreeSet<String> {
    let help = Command::new(binary::shim())
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.split("Commands:").nth(1).unwrap_or_default();
    let names = listed
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("  "));
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    names.filter_map(name).collect()
}

/// The words behind `shim` in a text, each run up to its first flag or argument.
fn commands_in(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_word = |word: &&str| {
        word.chars().all(|it| it.is_ascii_lowercase() || it == '-') && !word.starts_with('-')
    };
    for piece in text.split([';', '|', '(', '`']) {
        let piece = piece.trim();
        let Some(rest) = piece
            .strip_prefix("shim ")
            .or_else(|| piece.split(" shim ").nth(1))
        else {
            continue;
        };
        let words = rest.split_whitespace().take_while(is_word).take(2);
        found.push(words.map(str::to_owned).collect());
    }
    found
}

#[test]
fn every_command_in_the_documents_exists() {
    let top = subcommands(&[]);
    assert!(top.len() > 10, "{top:?}");
    let mut below: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut missing = Vec::new();
    for (document, text) in documents() {
        let quoted = quoted(&text)
            .into_iter()
            .filter(|it| it.starts_with("shim "));
        for line in shell_lines(&text).into_iter().chain(quoted) {
            for words in commands_in(line) {
                let Some(first) = words.first() else { continue };
                let known = below
                    .entry(first.clone())
                    .or_insert_with(|| subcommands(&[first]));
                let second = words.get(1).filter(|_| !known.is_empty());
                if !top.contains(first) || second.is_some_and(|word| !known.contains(word)) {
                    missing.push(format!("{}: shim {}", document.display(), words.join(" ")));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_target_of_make_in_the_documents_exists() {
    let makefile = read("Makefile");
    let is_target = |name: &str| {
        makefile
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")))
    };
    let mut missing = Vec::new();
    for (document, text) in documents() {
        let quoted = quoted(&text).into_iter();
        for line in shell_lines(&text).into_iter().chain(quoted) {
            let Some(rest) = line.strip_prefix("make ") else {
                continue;
            };
            let target = rest.split_whitespace().next().unwrap_or_default();
            if !is_target(target) {
                missing.push(format!("{}: make {target}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_setting_in_the_documents_is_in_the_table_of_settings() {
    let table = super::chapter("Settings");
    let is_setting = |text: &&str| {
        let Some((section, key)) = text.split_once('.') else {
            return false;
        };
        let plain = |it: char| it.is_ascii_lowercase() || "._".contains(it);
        SECTIONS.contains(&section) && key.chars().all(plain)
    };
    let endings = [
        ".rs", ".md", ".lua", ".toml", ".yml", ".proto", ".sh", ".py", ".json",
    ];
    let mut missing = Vec::new();
    for (document, text) in documents() {
        for key in quoted(&text).into_iter().filter(is_setting) {
            let is_file = endings.iter().any(|ending| key.ends_with(ending));
            if !is_file && !table.contains(&format!("`{key}`")) {
                missing.push(format!("{}: {key}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
