//! What can be counted of the code's shape, so that a change can say where it came from and where it led.
//!
//! The counts read the sources as text. They are made for comparing two checkouts and for the limits that the tests keep;
//! none of them is a verdict on a file.

mod circles;
mod functions;
mod source;
mod spawns;
mod uses;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use circles::circles;
pub use functions::functions;
pub use source::{Package, Source, packages};
pub use spawns::dropped_spawns;

/// Names that once stood for several things each; a type of production code or tests may not bear one.
pub const AMBIGUOUS: [&str; 6] = ["Place", "Answer", "Held", "Told", "Desk", "Crew"];

/// How many lines a file of production code may have, comments and tests in it included.
pub const LONGEST_FILE: usize = 400;
/// How many lines a function of production code may have, from `fn` to the closing brace.
pub const LONGEST_FUNCTION: usize = 40;

/// The counts of one checkout.
#[derive(Debug, Default)]
pub struct Census {
    /// Lines of code in Rust, without comments, blank lines and tests.
    pub lines: usize,
    /// Lines of Lua, without comments and blank lines.
    pub lua_lines: usize,
    /// Circles of imports, each as its files.
    pub circles: Vec<Vec<PathBuf>>,
    /// Uses of positional arguments in Lua: the script and the line, once for each use.
    pub positional_arguments: Vec<(PathBuf, usize)>,
    /// Production files over 400 lines, as they are (comments and tests in them included).
    pub long_files: Vec<(PathBuf, usize)>,
    /// Functions of production code over 40 lines, `fn` to the closing brace.
    pub long_functions: Vec<(PathBuf, String, usize)>,
    /// Definitions of a type with an ambiguous name.
    pub ambiguous_types: Vec<(PathBuf, String)>,
    /// Lines that start a task and drop its handle, so that its panic is lost and its end is not awaited.
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
            let text = std::fs::read_to_string(&script)?;
            census.count_script(script.strip_prefix(root).unwrap_or(&script), &text);
        }
        let mut sources = Vec::new();
        files_ending(root, "rs", &mut sources)?;
        for path in sources {
            let text = std::fs::read_to_string(&path)?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            let code = source::code_of(&text);
            let named = ambiguous(&code).map(|name| (path.clone(), name.to_owned()));
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
        if whole > LONGEST_FILE {
            self.long_files.push((source.path.clone(), whole));
        }
        for (name, lines) in functions(&source.code) {
            if lines > LONGEST_FUNCTION {
                self.long_functions.push((source.path.clone(), name, lines));
            }
        }
        for line in dropped_spawns(&source.code) {
            self.unowned_spawns.push((source.path.clone(), line));
        }
    }

    fn count_script(&mut self, path: &Path, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("--").next().unwrap_or_default();
            self.lua_lines += usize::from(!code.trim().is_empty());
            for _ in code.matches("ARGV[") {
                self.positional_arguments
                    .push((path.to_owned(), number + 1));
            }
        }
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

/// The ambiguous names that the code gives to types.
fn ambiguous(code: &str) -> impl Iterator<Item = &'static str> {
    let defines = |line: &str, name: &str| {
        ["struct ", "enum ", "trait ", "type "].iter().any(|kind| {
            let Some((_, rest)) = line.split_once(kind) else {
                return false;
            };
            let rest = rest.strip_prefix(name);
            rest.is_some_and(|rest| !rest.starts_with(|it: char| it.is_alphanumeric() || it == '_'))
        })
    };
    code.lines().flat_map(move |line| {
        AMBIGUOUS
            .into_iter()
            .filter(move |name| defines(line, name))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_name_is_found_on_types_alone() {
        let text = "struct Place;\npub(crate) enum Held<T> {}\nstruct Placement;\n// struct Desk;\nlet Told = 1;";
        let code = source::code_of(text);
        assert_eq!(ambiguous(&code).collect::<Vec<_>>(), ["Place", "Held"]);
    }

    #[test]
    fn positional_arguments_are_counted_outside_of_comments() {
        let mut census = Census::default();
        let script = "-- ARGV[1]: id\nreturn once(ARGV[1], ARGV[2]) -- as ARGV[3]\n\n";
        census.count_script(Path::new("a.lua"), script);
        assert_eq!(census.positional_arguments.len(), 2);
        assert_eq!(census.positional_arguments[0], ("a.lua".into(), 2));
        assert_eq!(census.lua_lines, 1);
    }
}
