//! What can be counted of the code's shape, so that a change can say where it came from and where it led.
//!
//! The counts read the sources as text. They are made for comparing two checkouts and for the limits that the tests keep;
//! none of them is a verdict on a file.

mod circles;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use circles::circles;
pub use source::{Package, Source, packages};

/// Names that once stood for several things each; a type of production code or tests may not bear one.
pub const AMBIGUOUS: [&str; 6] = ["Place", "Answer", "Held", "Told", "Desk", "Crew"];

/// The counts of one checkout.
#[derive(Debug, Default)]
pub struct Census {
    /// Lines of code in Rust, without comments, blank lines and tests.
    pub lines: usize,
    /// Lines of Lua, without comments and blank lines.
    pub lua_lines: usize,
    /// Files that are part of a circle of imports, by circle.
    pub circles: Vec<Vec<PathBuf>>,
    /// Uses of positional arguments in Lua.
    pub positional_arguments: usize,
    /// Production files over 400 lines, as they are (comments and tests in them included).
    pub long_files: Vec<(PathBuf, usize)>,
    /// Functions of production code over 40 lines, `fn` to the closing brace.
    pub long_functions: Vec<(PathBuf, String, usize)>,
    /// Definitions of a type with an ambiguous name.
    pub ambiguous_types: Vec<(PathBuf, String)>,
    /// Tasks that are started outside the group that owns background tasks, with the handle dropped.
    pub unowned_spawns: Vec<(PathBuf, usize)>,
}

impl Census {
    /// Counts the checkout at `root`.
    ///
    /// # Errors
    ///
    /// If a folder or file cannot be read.
    pub fn of(root: &Path) -> std::io::Result<Self> {
        let mut census = Self::default();
        for package in packages(root)? {
            census.circles.extend(circles(&package));
            for source in package.sources.values() {
                census.count(source);
            }
        }
        let mut scripts = Vec::new();
        files_ending(root, "lua", &mut scripts)?;
        for script in scripts {
            census.count_script(&std::fs::read_to_string(script)?);
        }
        let mut sources = Vec::new();
        files_ending(root, "rs", &mut sources)?;
        for path in sources {
            let text = std::fs::read_to_string(&path)?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            let named = ambiguous(&text).map(|name| (path.clone(), name.to_owned()));
            census.ambiguous_types.extend(named);
        }
        census
            .long_files
            .sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
        census
            .long_functions
            .sort_by_key(|(_, _, lines)| std::cmp::Reverse(*lines));
        Ok(census)
    }

    fn count(&mut self, source: &Source) {
        self.lines += source.lines();
        let whole = source.raw.lines().count();
        if whole > 400 {
            self.long_files.push((source.path.clone(), whole));
        }
        for (name, lines) in functions(&source.code) {
            if lines > 40 {
                self.long_functions.push((source.path.clone(), name, lines));
            }
        }
        for (number, line) in source.code.lines().enumerate() {
            if line.trim_start().starts_with("tokio::spawn(") && !is_value(&source.code, number) {
                self.unowned_spawns.push((source.path.clone(), number + 1));
            }
        }
    }

    fn count_script(&mut self, text: &str) {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
        self.lua_lines += text.lines().filter(code).count();
        self.positional_arguments += text.matches("ARGV[").count();
    }

    /// How many files are in circles.
    #[must_use]
    pub fn files_in_circles(&self) -> usize {
        self.circles.iter().map(Vec::len).sum()
    }

    /// How many different ambiguous names types still bear.
    #[must_use]
    pub fn ambiguous_names(&self) -> usize {
        let names = self.ambiguous_types.iter().map(|(_, name)| name);
        names.collect::<BTreeSet<_>>().len()
    }
}

/// Is the statement that begins on this line the value of its block or an argument, so that its handle is kept?
fn is_value(code: &str, number: usize) -> bool {
    let start = code
        .lines()
        .take(number)
        .map(|line| line.len() + 1)
        .sum::<usize>();
    let from = start + code[start..].find("tokio::spawn(").unwrap_or(0);
    let mut depth = 0_usize;
    for (at, letter) in code[from..].char_indices() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return !code[from + at + 1..].trim_start().starts_with(';');
                }
            }
            _ => {}
        }
    }
    false
}

fn ambiguous(text: &str) -> impl Iterator<Item = &'static str> {
    let defines = |line: &str, name: &str| {
        ["struct ", "enum ", "trait ", "type "].iter().any(|kind| {
            let Some((_, rest)) = line.split_once(kind) else {
                return false;
            };
            let rest = rest.strip_prefix(name);
            rest.is_some_and(|rest| !rest.starts_with(|it: char| it.is_alphanumeric() || it == '_'))
        })
    };
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(move |line| {
        AMBIGUOUS
            .into_iter()
            .filter(move |name| defines(line, name))
    })
    .collect::<Vec<_>>()
    .into_iter()
}

/// Every function with a body: its name, and its lines from `fn` to the closing brace.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begins = code[..at]
            .chars()
            .next_back()
            .is_none_or(|it| !it.is_alphanumeric() && it != '_');
        let name: String = code[at + 3..]
            .chars()
            .take_while(|it| it.is_alphanumeric() || *it == '_')
            .collect();
        if !begins || name.is_empty() {
            continue;
        }
        let end = source::item_end(code, at);
        found.push((name, code[at..end].lines().count()));
    }
    found
}

fn files_ending(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !["target", "node_modules", ".git", "build"].contains(&name.as_ref()) {
                files_ending(&path, ending, into)?;
            }
        } else if path.extension().is_some_and(|it| it == ending) {
            into.push(path);
        }
    }
    Ok(())
}
