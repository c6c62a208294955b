//! Whether a program that exited with 126 or 127 could not be executed, or ran and could not execute what its task asked
//! for. Pure.
//!
//! Shells exit with these codes when they cannot execute a program (POSIX, "Exit Status for Commands"). The program may be the
//! configured one, one that it needs, or one that the task names in what it brings with it. Only the last is the task's.

use std::time::Duration;

/// What shells exit with when they cannot execute a program.
pub(super) const NOT_EXECUTABLE: [i32; 2] = [126, 127];
/// A program that ran for longer did something before it failed.
const AT_ONCE: Duration = Duration::from_secs(10);
/// What stands behind the name of what cannot be executed.
const COMPLAINTS: [&str; 8] = [
    "not found",
    "no such file",
    "permission denied",
    "cannot execute",
    "exec format error",
    "bad interpreter",
    "is a directory",
    "required file not found",
];
/// Shorter words of a complaint name nothing.
const MIN_NAME_BYTES: usize = 2;

/// How a program ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    /// Its exit code.
    pub(super) code: i32,
    /// How long it ran.
    pub(super) ran_for: Duration,
    /// What it wrote to its standard error, or else to its standard output.
    pub(super) words: &'a str,
    /// The arguments and the input that its task brought.
    pub(super) brought: &'a [String],
}

/// Whether no task could be done, for a program is missing that no task asked for.
pub(super) fn is_executors_fault(end: End<'_>) -> bool {
    if !NOT_EXECUTABLE.contains(&end.code) || end.ran_for >= AT_ONCE {
        return false;
    }
    let brings = |name: &str| end.brought.iter().any(|text| text.contains(name));
    let mut complaints = end.words.lines().filter_map(named).peekable();
    if complaints.peek().is_none() {
        // Nothing is named: a task whose own script exits so says the code.
        return !brings(&end.code.to_string());
    }
    complaints.all(|name| !brings(name))
}

/// What a line says cannot be executed: the last name before the complaint.
fn named(line: &str) -> Option<&str> {
    let lower = line.to_ascii_lowercase();
    let end = COMPLAINTS
        .iter()
        .filter_map(|words| lower.find(words))
        .min()?;
    let before = line.get(..end)?;
    let is_between = |c: char| c.is_whitespace() || "'\"`‘’“”:,;()".contains(c);
    let named = |word: &&str| {
        let is_said = ["sh", "bash", "env", "exec", "command", "line", "error"].contains(word);
        word.len() >= MIN_NAME_BYTES && !is_said
    };
    // Bash names it behind the complaint in "command not found: NAME", zsh's form.
    let behind = line
        .get(end..)?
        .split(is_between)
        .rfind(named)
        .filter(|word| {
            line.ends_with(*word)
                && !COMPLAINTS
                    .iter()
                    .any(|words| words.ends_with(&word.to_lowercase()))
        });
    before.rsplit(is_between).find(named).or(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fault(code: i32, seconds: u64, words: &str, brought: &[&str]) -> bool {
        let brought: Vec<_> = brought.iter().map(|text| (*text).to_owned()).collect();
        is_executors_fault(End {
            code,
            ran_for: Duration::from_secs(seconds),
            words,
            brought: &brought,
        })
    }

    #[test]
    fn what_no_task_asked_for_makes_the_executor_unfit() {
        for (words, brought) in [
            ("", vec![]),
            ("", vec!["--fast", "a.rs"]),
            ("sh: 1: claude: not found", vec![]),
            ("sh: 1: claude: not found", vec!["--fast", "input for it"]),
            ("wrap: 2: exec: /opt/tool: not found", vec!["a.rs"]),
            ("bash: line 1: tool: command not found", vec!["a.rs"]),
            ("env: 'node': No such file or directory", vec!["build"]),
            (
                "/opt/x: cannot execute: required file not found",
                vec!["x.rs"],
            ),
            ("sh: 0: /opt/x: Permission denied", vec!["y"]),
            ("sh: 1: exec: /opt/x: Exec format error", vec!["y"]),
        ] {
            assert!(is_fault(127, 0, words, &brought), "{words} {brought:?}");
            assert!(is_fault(126, 0, words, &brought), "{words} {brought:?}");
        }
    }

    #[test]
    fn what_the_task_asked_for_or_what_came_later_is_the_tasks() {
        for (words, brought) in [
            (
                "sh: 1: no-such-tool: not found",
                vec!["-c", "no-such-tool --x"],
            ),
            ("sh: 1: no-such-tool: not found", vec!["no-such-tool"]),
            ("env: 'nope': No such file or directory", vec!["nope"]),
            (
                "bash: line 1: nope: command not found",
                vec!["nope; echo x"],
            ),
            ("", vec!["-c", "exit 127"]),
        ] {
            assert!(!is_fault(127, 0, words, &brought), "{words} {brought:?}");
        }
        assert!(!is_fault(127, 60, "sh: 1: claude: not found", &[]));
        assert!(!is_fault(1, 0, "sh: 1: claude: not found", &[]));
    }
}
