//! The text of a test file, written as the project writes its own.

use std::collections::BTreeMap;

use super::candidates::Candidate;
use super::habits::{Assertions, Habits};
use super::runner::RunnerKind;
pub(crate) use super::titles::titles;

/// A function as tests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Its number.
    pub(crate) f: u32,
    /// The name that its module exports it by.
    pub(crate) exported: String,
    /// Its own name, for people: `parse`, `Stack`, `api.get`.
    pub(crate) name: String,
    /// What is imported: itself, or what it is a method of.
    pub(crate) holder: String,
    /// The method of the holder that it is; empty for the holder itself.
    pub(crate) member: String,
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
    /// Properties that are written with fast-check: sources of their arbitraries, by the numbers of the tests.
    pub(crate) arbitraries: BTreeMap<u32, Vec<String>>,
    /// The seed that fast-check begins with.
    pub(crate) seed: u32,
    /// The tests with their titles, in the order in which they stand.
    pub(crate) tests: Vec<(&'a Candidate, String)>,
}

/// Names that a test file gives a meaning to, and words that are no names.
const TAKEN: [&str; 28] = [
    "it", "test", "describe", "suite", "expect", "assert", "inputs", "input", "args", "value",
    "once", "copy", "require", "module", "exports", "delete", "default", "new", "typeof", "void",
    "in", "function", "class", "with", "error", "fc", "instance", "this",
];

impl Import {
    /// Whether it is imported by the same name: the module itself has one, whatever is called on it.
    fn is_same_holder(&self, other: &Self) -> bool {
        let is_named = self.access == "named";
        self.access == other.access && (!is_named || self.exported == other.exported)
    }

    /// What the file calls it.
    fn local(&self) -> String {
        let is_free = !TAKEN.contains(&self.holder.as_str());
        if is_free {
            self.holder.clone()
        } else {
            format!("{}Function", self.holder)
        }
    }
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
    file.habits.style.apply(&text)
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
    if file.tests.iter().any(|(test, _)| file.is_random(test)) {
        lines.push(from("fc", "fast-check", true));
    }
    lines.extend(file.subject_lines());
    lines.join("\n") + "\n"
}

impl TestFile<'_> {
    fn name_of(&self, f: u32) -> String {
        self.import(f)
            .map_or_else(String::new, |import| import.name.clone())
    }

    /// What a test writes to call it.
    pub(super) fn callee(&self, f: u32) -> String {
        self.import(f).map_or_else(String::new, |import| {
            let local = self.holder_of(import).local();
            match import.member.as_str() {
                "" => local,
                member => format!("{local}.{member}"),
            }
        })
    }

    /// A name that the file gives to nothing else.
    pub(super) fn is_free(&self, name: &str) -> bool {
        !TAKEN.contains(&name) && self.imports.iter().all(|it| it.local() != name)
    }

    /// Whether a property is written with fast-check.
    pub(super) fn is_random(&self, test: &Candidate) -> bool {
        self.arbitraries.contains_key(&test.id)
    }

    /// The first import of the same thing, which the file imports for all of them.
    fn holder_of<'i>(&'i self, import: &'i Import) -> &'i Import {
        let same = self.imports.iter().find(|it| it.is_same_holder(import));
        same.unwrap_or(import)
    }

    fn holders(&self) -> impl Iterator<Item = &Import> {
        let is_first = |it: &&Import| std::ptr::eq(self.holder_of(it), *it);
        self.imports.iter().filter(is_first)
    }

    fn import(&self, f: u32) -> Option<&Import> {
        self.imports.iter().find(|import| import.f == f)
    }

    fn subject_lines(&self) -> Vec<String> {
        let is_esm = self.habits.is_esm;
        let specifier = quoted(&self.specifier);
        let named: Vec<String> = self
            .holders()
            .filter(|it| it.access == "named")
            .map(|it| self.bound(it))
            .collect();
        let mut lines = Vec::new();
        for import in self.holders().filter(|it| it.access != "named") {
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
