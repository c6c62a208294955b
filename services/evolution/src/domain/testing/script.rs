//! How a project's authors start its tests: the command behind `npm test`, with what does not fit a single run taken out.

use super::runner::RunnerKind;
use super::words::{Word, commands, plain};

/// A command of a runner, as far as it is its authors' wish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Variables that the script sets.
    pub(crate) env: Vec<(String, String)>,
    /// Options of Node itself.
    pub(crate) node_options: Vec<Word>,
    /// Arguments of the runner; for a script that is no known runner, one word: the script.
    pub(crate) arguments: Vec<Word>,
}

/// How deep scripts may call each other.
const MAX_DEPTH: usize = 4;

/// The first command of a known runner behind the script `test`; else the script itself. `None` without a script, or for the one
/// that npm writes into a new package.
pub(crate) fn test_command(scripts: &[(String, String)]) -> Option<(RunnerKind, Command)> {
    let (_, script) = scripts.iter().find(|(name, _)| name == "test")?;
    let script = script.trim();
    if script.is_empty() || script.contains("no test specified") {
        return None;
    }
    known_runner(scripts, script, 0).or_else(|| {
        let word = Word {
            raw: script.to_owned(),
            text: script.to_owned(),
        };
        let command = Command {
            arguments: vec![word],
            ..Command::default()
        };
        Some((RunnerKind::Script, command))
    })
}

fn known_runner(
    scripts: &[(String, String)],
    script: &str,
    depth: usize,
) -> Option<(RunnerKind, Command)> {
    if depth > MAX_DEPTH {
        return None;
    }
    commands(script).into_iter().find_map(|words| {
        runner_command(&words).or_else(|| {
            let called = called_scripts(&words, scripts);
            let mut called = called.into_iter();
            called.find_map(|script| known_runner(scripts, script, depth + 1))
        })
    })
}

/// Programs that run scripts by their names.
const CALLERS: [&str; 8] = [
    "npm",
    "pnpm",
    "yarn",
    "bun",
    "npm-run-all",
    "npm-run-all2",
    "run-s",
    "run-p",
];

/// Scripts that a command runs: `npm run x`, `yarn x`, `npm-run-all a b`, `run-s 'test:*'`.
fn called_scripts<'a>(words: &[Word], scripts: &'a [(String, String)]) -> Vec<&'a str> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    // Wrappers (`c8 --all npm run unit`) stand before it.
    let start = texts.iter().position(|text| CALLERS.contains(text));
    let texts = texts.get(start.unwrap_or(0)..).unwrap_or_default();
    let names = called_names(texts);
    names
        .into_iter()
        .flat_map(|name| scripts_of_name(name, scripts))
        .collect()
}

/// Names and patterns of the scripts that a command runs, if it begins with what runs scripts.
fn called_names<'a>(texts: &[&'a str]) -> Vec<&'a str> {
    match texts {
        [
            "npm" | "pnpm" | "yarn" | "bun",
            "run" | "run-script",
            rest @ ..,
        ] => rest
            .iter()
            .filter(|name| !name.starts_with('-'))
            .take(1)
            .copied()
            .collect(),
        ["npm" | "pnpm" | "yarn", name, ..] => vec![name],
        [
            "npm-run-all" | "npm-run-all2" | "run-s" | "run-p",
            rest @ ..,
        ] => rest.to_vec(),
        _ => Vec::new(),
    }
}

/// The script with a name, or those whose names a pattern's start fits.
fn scripts_of_name<'a>(name: &str, scripts: &'a [(String, String)]) -> Vec<&'a str> {
    let (start, is_pattern) = match name.find('*') {
        Some(star) => (&name[..star], true),
        None => (name, false),
    };
    let matching = scripts
        .iter()
        .filter(|(other, _)| other == start || (is_pattern && other.starts_with(start)));
    matching.map(|(_, script)| script.as_str()).collect()
}

/// What a command starts, if that is a known runner.
fn runner_command(words: &[Word]) -> Option<(RunnerKind, Command)> {
    let mut command = Command::default();
    let mut rest = words;
    while let [word, more @ ..] = rest {
        let text = word.text.as_str();
        if let Some((name, value)) = assignment(text) {
            command.env.push((name, value));
        } else if let Some(kind) = runner_of(text) {
            command.arguments = without_watching(kind, more);
            return Some((kind, command));
        } else if text == "node" || text == "tsx" {
            return node_command(text, more, command);
        } else if !is_wrapper(text) && !text.starts_with('-') && !follows_option(words, rest) {
            return None;
        }
        rest = more;
    }
    None
}

/// `node` with its own options, and then a runner's file or its own test runner.
fn node_command(
    program: &str,
    words: &[Word],
    mut command: Command,
) -> Option<(RunnerKind, Command)> {
    if program == "tsx" {
        command.node_options = ["--import", "tsx"].map(plain).to_vec();
    }
    let is_test = words.iter().any(|word| word.text == "--test");
    let mut rest = words;
    while let [word, more @ ..] = rest {
        if let Some(kind) = runner_of(&word.text) {
            command.arguments = without_watching(kind, more);
            return Some((kind, command));
        }
        let takes_value = TAKES_VALUE.contains(&word.text.as_str());
        if !word.text.starts_with('-') {
            if !is_test {
                return None;
            }
            command.arguments.push(word.clone());
        } else if !is_of_one_run(RunnerKind::NodeTest, &word.text) {
            rest = if takes_value {
                more.get(1..).unwrap_or_default()
            } else {
                more
            };
            continue;
        } else {
            command.node_options.push(word.clone());
            if takes_value && let [value, after @ ..] = more {
                command.node_options.push(value.clone());
                rest = after;
                continue;
            }
        }
        rest = more;
    }
    is_test.then_some((RunnerKind::NodeTest, command))
}

/// Options, of Node or a runner, whose value is a word of its own.
const TAKES_VALUE: [&str; 34] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-C",
    "--conditions",
    "-c",
    "--config",
    "--root",
    "--dir",
    "--project",
    "-t",
    "--timeout",
    "--slow",
    "--ui",
    "-u",
    "--extension",
    "--ext",
    "--spec",
    "--ignore",
    "--testPathPattern",
    "--testPathPatterns",
    "--testMatch",
    "--selectProjects",
    "--maxWorkers",
    "-w=",
    "-R",
    "--reporter",
    "--reporter-option",
    "--reporter-options",
    "-O",
    "--test-reporter",
    "--test-reporter-destination",
];
/// Those of them that say what is reported and where.
const REPORTING: [&str; 11] = [
    "-R",
    "--reporter",
    "--reporters",
    "--reporter-option",
    "--reporter-options",
    "-O",
    "--test-reporter",
    "--test-reporter-destination",
    "--outputFile",
    "--json",
    "--test-force-exit",
];
/// Options that watch, measure coverage, or pass without a test.
const OTHER: [&str; 16] = [
    "--watch",
    "--watchAll",
    "--coverage",
    "--collectCoverage",
    "--collect-coverage",
    "--experimental-test-coverage",
    "--passWithNoTests",
    "--verbose",
    "--silent",
    "--exit",
    "--forceExit",
    "--ui=",
    "--inspect",
    "--inspect-brk",
    "--updateSnapshot",
    "--test",
];

/// Whether an option stays for a run that is judged by its report.
fn is_of_one_run(kind: RunnerKind, option: &str) -> bool {
    let name = option.split('=').next().unwrap_or(option);
    let is_short_watch = matches!((kind, name), (RunnerKind::Mocha | RunnerKind::Vitest, "-w"));
    let is_update = matches!((kind, name), (RunnerKind::Jest | RunnerKind::Vitest, "-u"));
    let is_watch = name.starts_with("--coverage.") || is_short_watch || is_update;
    !is_watch && !REPORTING.contains(&name) && !OTHER.contains(&name)
}

fn without_watching(kind: RunnerKind, words: &[Word]) -> Vec<Word> {
    let mut kept = Vec::new();
    let mut rest = words;
    while let [word, more @ ..] = rest {
        let is_first = kept.is_empty();
        let is_mode = kind == RunnerKind::Vitest
            && is_first
            && matches!(word.text.as_str(), "run" | "watch" | "dev");
        let is_dropped = !is_of_one_run(kind, &word.text);
        let is_update = kind != RunnerKind::Mocha && word.text == "-u";
        let drops_value = is_dropped && !is_update && TAKES_VALUE.contains(&word.text.as_str());
        if !is_mode && is_of_one_run(kind, &word.text) && word.text != "--" {
            kept.push(word.clone());
        }
        rest = if drops_value {
            more.get(1..).unwrap_or_default()
        } else {
            more
        };
    }
    kept
}

/// The arguments without those that name tests: what is left configures the runner.
pub(crate) fn without_files(kind: RunnerKind, words: &[Word]) -> Vec<Word> {
    let mut kept = Vec::new();
    let mut rest = words;
    while let [word, more @ ..] = rest {
        let text = word.text.as_str();
        let picks_files = text.starts_with("--spec")
            || text.starts_with("--testPath")
            || text.starts_with("--testMatch");
        let takes_value = TAKES_VALUE.contains(&text)
            && !(kind == RunnerKind::Jest && matches!(text, "-t" | "-u"));
        let mut taken = 1;
        if text.starts_with('-') {
            taken += usize::from(takes_value);
            if !picks_files {
                kept.extend(rest.iter().take(taken).cloned());
            }
        }
        rest = more.get(taken - 1..).unwrap_or_default();
    }
    kept
}

fn runner_of(text: &str) -> Option<RunnerKind> {
    let base = text.rsplit('/').next().unwrap_or(text);
    match base {
        "vitest" | "vitest.mjs" => Some(RunnerKind::Vitest),
        "jest" | "jest.js" | "jest-cli" => Some(RunnerKind::Jest),
        "mocha" | "_mocha" | "mocha.js" => Some(RunnerKind::Mocha),
        _ => None,
    }
}

fn is_wrapper(text: &str) -> bool {
    let wrappers = [
        "c8",
        "nyc",
        "npx",
        "cross-env",
        "cross-env-shell",
        "env",
        "exec",
        "pnpm",
        "yarn",
        "npm",
        "dotenv",
        "time",
    ];
    wrappers.contains(&text) || text == "--"
}

/// Whether the first word of `rest` is the value of the option before it.
fn follows_option(words: &[Word], rest: &[Word]) -> bool {
    let at = words.len() - rest.len();
    at > 0 && words[at - 1].text.starts_with('-') && !words[at - 1].text.contains('=')
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
