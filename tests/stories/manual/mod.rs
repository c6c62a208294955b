//! The operator's book, `docs/operator.md`: its commands are run as they stand, and its tables are held against the code.

mod commands;
mod references;
mod tables;

use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// A part of the book, from its heading to the next of the same rank.
fn chapter(heading: &str) -> String {
    let manual = read("docs/operator.md");
    let start = manual.find(&format!("\n## {heading}\n"));
    let text = &manual[start.unwrap_or_else(|| panic!("no chapter {heading}")) + 1..];
    let end = text[3..].find("\n## ").map_or(text.len(), |end| end + 3);
    text[..end].to_owned()
}

/// The commands of a chapter: of its plain blocks, or of those with a word behind their language.
fn commands(chapter: &str, word: &str) -> String {
    let fence = format!("```sh {word}").trim_end().to_owned();
    let mut script = String::new();
    let mut lines = chapter.lines();
    while lines.any(|line| line == fence) {
        for line in lines.by_ref().take_while(|line| *line != "```") {
            script.push_str(line);
            script.push('\n');
        }
    }
    assert!(!script.is_empty(), "no block {fence}");
    script
}
