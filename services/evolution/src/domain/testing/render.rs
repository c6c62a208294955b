//! The text of a test file, written as the project writes its own.

use super::candidates::{Candidate, Claim};
use super::habits::{Assertions, Habits};
use super::runner::RunnerKind;

/// A function as tests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Its number.
    pub(crate) f: u32,
    /// The name that its module exports it by.
    pub(crate) exported: String,
    /// Its own name.
    pub(crate) name: String,
    /// `named`, `default`, or `whole` for the module itself.
    pub(crate) access: String,
}

/// A test file to be written.
pub(crate) struct TestFile<'a> {
    /// How the project writes tests.
    pub(crate) habits: &'a Habits,
    /// How the file names its module.
    pub(crate) specifier: String,
    /// Whether the module is written with `export`.
    pub(crate) is_esm_module: bool,
    /// The functions.
    pub(crate) imports: Vec<Import>,
    /// The tests with their titles, in the order in which they stand.
    pub(crate) tests: Vec<(&'a Candidate, String)>,
}

/// Names that a test file gives a meaning to, and words that are no names.
const TAKEN: [&str; 25] = [
    "it", "test", "describe", "suite", "expect", "assert", "inputs", "input", "args", "value",
    "once", "copy", "require", "module", "exports", "delete", "default", "new", "typeof", "void",
    "in", "function", "class", "with", "error",
];
const MAX_TITLE_CHARS: usize = 100;

impl Import {
    /// What the file calls it.
    fn local(&self) -> String {
        let is_free = !TAKEN.contains(&self.name.as_str());
        if is_free {
            self.name.clone()
        } else {
            format!("{}Function", self.name)
        }
    }
}

/// Titles for tests of one function, each only once.
pub(crate) fn titles(tests: &[&Candidate]) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for test in tests {
        let plain = title(test);
        let mut unique = plain.clone();
        let mut number = 2;
        while titles.contains(&unique) {
            unique = format!("{plain} ({number})");
            number += 1;
        }
        titles.push(unique);
    }
    titles
}

fn title(test: &Candidate) -> String {
    let of = |args: &[String]| {
        if args.is_empty() {
            String::new()
        } else {
            format!(" for {}", args.join(", "))
        }
    };
    let verb = match (test.is_async, test.is_iterator) {
        (true, _) => "resolves to",
        (_, true) => "yields",
        _ => "returns",
    };
    let text = match &test.claim {
        Claim::Value { args, expected, .. } => format!("{verb} {expected}{}", of(args)),
        Claim::Throws { args, name, .. } if test.is_async => {
            format!("rejects with {name}{}", of(args))
        }
        Claim::Throws { args, name, .. } => format!("throws {name}{}", of(args)),
        Claim::Type { r#type, .. } => {
            format!("always returns a value of type {type}", type = r#type)
        }
        Claim::Integer { .. } => "always returns a whole number".to_owned(),
        Claim::NotNegative { .. } => "never returns a negative number".to_owned(),
        Claim::Within { .. } => "stays within its bounds".to_owned(),
        Claim::KeepsInput { .. } => "leaves its input as it is".to_owned(),
        Claim::Idempotent { .. } => "changes nothing more the second time".to_owned(),
        Claim::Commutes { .. } => "takes its arguments in either order".to_owned(),
        Claim::SameLength { .. } => "keeps the length".to_owned(),
        Claim::NotLonger { .. } => "never makes it longer".to_owned(),
        Claim::RoundTrip { .. } => "is taken back by its inverse".to_owned(),
    };
    if text.chars().count() <= MAX_TITLE_CHARS {
        return text;
    }
    let cut: String = text.chars().take(MAX_TITLE_CHARS - 1).collect();
    format!("{}…", cut.trim_end())
}

/// A text in single quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{2028}' => quoted.push_str("\\u2028"),
            '\u{2029}' => quoted.push_str("\\u2029"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// The whole text.
pub(crate) fn render(file: &TestFile<'_>) -> String {
    let mut text = head(file);
    let mut open: Option<u32> = None;
    for (test, title) in &file.tests {
        if open != Some(test.f) {
            if open.is_some() {
                text.push_str("});\n");
            }
            let name = file.name_of(test.f);
            let (group, _) = file.habits.words();
            text.push_str(&format!("\n{group}({}, () => {{\n", quoted(&name)));
            open = Some(test.f);
        } else {
            text.push('\n');
        }
        text.push_str(&file.test(test, title));
    }
    text.push_str("});\n");
    text
}

fn head(file: &TestFile<'_>) -> String {
    let Habits {
        kind,
        is_esm,
        assertions,
        imports_runner,
        ..
    } = file.habits;
    let mut lines = Vec::new();
    if !is_esm {
        lines.push("'use strict';".to_owned());
    }
    lines.push("// These tests state what the code does today, as it was observed. Where that is wrong, correct both.".to_owned());
    let from = |names: &str, module: &str, is_whole: bool| match (*is_esm, is_whole) {
        (true, true) => format!("import {names} from '{module}';"),
        (true, false) => format!("import {{ {names} }} from '{module}';"),
        (false, true) => format!("const {names} = require('{module}');"),
        (false, false) => format!("const {{ {names} }} = require('{module}');"),
    };
    match assertions {
        Assertions::Assert => lines.push(from("assert", "node:assert/strict", true)),
        Assertions::Chai => lines.push(from("expect", "chai", false)),
        Assertions::Expect => {}
    }
    match kind {
        RunnerKind::Vitest if *imports_runner => {
            lines.push(from("describe, expect, it", "vitest", false));
        }
        RunnerKind::Jest if *imports_runner => {
            lines.push(from("describe, expect, it", "@jest/globals", false));
        }
        RunnerKind::NodeTest => lines.push(from("describe, it", "node:test", false)),
        _ => {}
    }
    lines.extend(file.subject_lines());
    lines.join("\n") + "\n"
}

impl TestFile<'_> {
    fn name_of(&self, f: u32) -> String {
        self.import(f)
            .map_or_else(String::new, |import| import.name.clone())
    }

    pub(super) fn local_of(&self, f: u32) -> String {
        self.import(f).map_or_else(String::new, Import::local)
    }

    fn import(&self, f: u32) -> Option<&Import> {
        self.imports.iter().find(|import| import.f == f)
    }

    fn subject_lines(&self) -> Vec<String> {
        let is_esm = self.habits.is_esm;
        let specifier = quoted(&self.specifier);
        let named: Vec<String> = self
            .imports
            .iter()
            .filter(|it| it.access == "named")
            .map(|it| self.bound(it))
            .collect();
        let mut lines = Vec::new();
        for import in self.imports.iter().filter(|it| it.access != "named") {
            let local = import.local();
            lines.push(match (is_esm, import.access.as_str()) {
                (true, _) => format!("import {local} from {specifier};"),
                (false, "default") => {
                    format!("const {{ default: {local} }} = require({specifier});")
                }
                (false, _) => format!("const {local} = require({specifier});"),
            });
        }
        if named.is_empty() {
            return lines;
        }
        let list = named.join(", ");
        match (is_esm, self.is_esm_module) {
            (true, true) => lines.push(format!("import {{ {list} }} from {specifier};")),
            // Node finds the names of a CommonJS module only where they are plain to see.
            (true, false) => {
                lines.push(format!("import subject from {specifier};"));
                lines.push(format!("\nconst {{ {list} }} = subject;"));
            }
            (false, _) => lines.push(format!("const {{ {list} }} = require({specifier});")),
        }
        lines
    }

    fn bound(&self, import: &Import) -> String {
        let local = import.local();
        if local == import.exported {
            return local;
        }
        let word = if self.habits.is_esm && self.is_esm_module {
            " as"
        } else {
            ":"
        };
        format!("{}{word} {local}", import.exported)
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
