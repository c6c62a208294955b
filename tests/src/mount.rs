//! A small file system under one test: full or read-only at will. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs. Dropping it takes it away.
#[derive(Debug)]
pub struct Tmpfs {
    at: PathBuf,
}

impl Tmpfs {
    /// Mounts one of `size` (as in mount(8), for example "3m") at `at`, which is made; `None`, with the reason
    /// printed, where this process may not mount.
    #[must_use]
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a throw-away folder can be written");
        let options = format!("size={size},mode=0700");
        match run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &options,
                "shim-tests",
                &at.display().to_string(),
            ],
        ) {
            Ok(()) => Some(Self {
                at: at.to_path_buf(),
            }),
            Err(reason) => {
                eprintln!("skipped: a tmpfs cannot be mounted here: {reason}");
                None
            }
        }
    }

    /// Makes it read-only. No process may have a file of it open for writing.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn make_read_only(&self) {
        let done = run(
            "mount",
            &["-o", "remount,ro", &self.at.display().to_string()],
        );
        done.expect("an idle tmpfs can be made read-only");
    }

    /// Makes it writable again.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn make_writable(&self) {
        let done = run(
            "mount",
            &["-o", "remount,rw", &self.at.display().to_string()],
        );
        done.expect("a tmpfs can be made writable");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still hold a file.
        if let Err(reason) = run("umount", &["--lazy", &self.at.display().to_string()]) {
            eprintln!("{} stays mounted: {reason}", self.at.display());
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
