//! A package's own tests as a person runs them: its command, its exit code, what it prints.

use std::fmt;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a run showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    /// Whether it exited with 0.
    exited_well: bool,
    /// How many tests it says passed; `None` if it says nothing of that.
    pub(super) passed: Option<u64>,
    said: String,
}

impl Own {
    /// Whether it exited with 0.
    pub(super) fn exited_well(&self) -> bool {
        self.exited_well
    }

    /// Whether it exited with 0 and says that tests passed.
    pub(super) fn is_green(&self) -> bool {
        self.exited_well && self.passed.is_some_and(|passed| passed > 0)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.exited_well { "exit 0" } else { "failed" };
        match self.passed {
            Some(passed) => write!(f, "{passed} passed, {end}")?,
            None => write!(f, "no count of tests, {end}")?,
        }
        if self.exited_well {
            return Ok(());
        }
        let is_telling = |line: &&str| {
            let line = line.trim_start();
            let marks = ["not ok", "FAIL", "1) ", "● ", "Error:"];
            marks.iter().any(|mark| line.starts_with(mark))
        };
        let telling = self.said.lines().find(is_telling);
        let last = self.said.lines().rfind(|line| !line.trim().is_empty());
        write!(f, ": {}", telling.or(last).unwrap_or_default().trim())
    }
}

/// Runs a command of tests in a folder.
pub(super) fn run(folder: &Path, command: &str) -> Own {
    let output = tempfile::NamedTempFile::new().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let bins = folder.join("node_modules/.bin");
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", bins.display()))
        .envs([("CI", "1"), ("NO_COLOR", "1"), ("FORCE_COLOR", "0")])
        .stdin(std::process::Stdio::null())
        .stdout(File::create(output.path()).unwrap())
        .stderr(File::options().append(true).open(output.path()).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let status = ended(child);
    let said = String::from_utf8_lossy(&std::fs::read(output.path()).unwrap()).into_owned();
    Own {
        exited_well: status.is_some_and(|status| status.success()),
        passed: passed(&said),
        said,
    }
}

/// Waits for the end; `None` if the whole group was killed at the limit.
fn ended(mut child: Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    let _ = child.wait();
    None
}

/// The number of passed tests that a runner prints at its end.
fn passed(said: &str) -> Option<u64> {
    said.lines().rev().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["#", "pass", count] | [count, "passing", ..] => count.parse().ok(),
            ["Tests" | "Tests:", rest @ ..] => {
                let at = rest.iter().position(|word| word.starts_with("passed"))?;
                rest.get(at.checked_sub(1)?)?.parse().ok()
            }
            _ => None,
        }
    })
}

#[test]
fn the_count_of_every_runner_is_read() {
    assert_eq!(passed("1..3\n# tests 3\n# pass  3\n\n# ok\n"), Some(3));
    assert_eq!(passed("# pass 12\n# fail 0\n"), Some(12));
    assert_eq!(passed("\n  7 passing (12ms)\n  1 pending\n"), Some(7));
    let jest = "Tests:       1 failed, 4 passed, 5 total\nSnapshots:   0 total\n";
    assert_eq!(passed(jest), Some(4));
    let vitest = " Test Files  2 passed (2)\n      Tests  9 passed | 1 skipped (10)\n";
    assert_eq!(passed(vitest), Some(9));
    assert_eq!(passed("fine"), None);
}
