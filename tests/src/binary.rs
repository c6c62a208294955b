//! Finds the programs under test. `SHIM_BIN`, `SHIM_PYTHON` and `SHIM_NODE` name them; without those they are looked for
//! in the target folder this very program was built into.

use std::path::{Path, PathBuf};

/// What builds every program that the tests start, with the features that the tests are built with.
const BUILD: &str = "cargo build --workspace --all-targets";

/// The `shim` binary.
///
/// # Panics
/// If there is none; the message names the command that builds it.
#[must_use]
pub fn shim() -> PathBuf {
    let named = std::env::var_os("SHIM_BIN").map(PathBuf::from);
    existing(named.unwrap_or_else(|| own_profile_dir().join("shim")))
}

/// The program `actor`, built with this one.
///
/// # Panics
/// If it was not.
#[must_use]
pub fn actor() -> PathBuf {
    existing(own_profile_dir().join("actor"))
}

fn existing(program: PathBuf) -> PathBuf {
    assert!(
        program.is_file(),
        "{} is missing: run `{BUILD}`, or name the program with SHIM_BIN",
        program.display()
    );
    program
}

/// The Python that has the packages of `tests/python/requirements.txt`; `None` if they are not installed.
#[must_use]
pub fn python() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SHIM_PYTHON") {
        return Some(PathBuf::from(path));
    }
    let found = target_dir().join("venv/bin/python");
    found.is_file().then_some(found)
}

/// The folder with the packages of `tests/node` and its scripts; `None` if they are not installed.
#[must_use]
pub fn node() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SHIM_NODE") {
        return Some(PathBuf::from(path));
    }
    let found = target_dir().join("node");
    found.join("node_modules").is_dir().then_some(found)
}

/// The version of Claude Code that the tests are made for, as `tests/claude/package.json` pins it.
///
/// # Panics
/// If that file names none.
#[must_use]
pub fn claude_version() -> String {
    let pinned: serde_json::Value =
        serde_json::from_str(include_str!("../claude/package.json")).expect("it is JSON");
    let version = pinned["optionalDependencies"]["@anthropic-ai/claude-code-linux-x64"].as_str();
    version.expect("it names a version").to_owned()
}

/// The real Claude Code; `None` if there is none for this kind of machine.
///
/// # Panics
/// If there is one and it is not installed: a test of a real client that silently tests nothing would be worse.
#[must_use]
pub fn claude() -> Option<PathBuf> {
    let machine = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        _ => return None,
    };
    let package = format!("claude/node_modules/@anthropic-ai/claude-code-{machine}/claude");
    let program = target_dir().join(package);
    assert!(
        program.is_file(),
        "{} is missing: run `make test` (it makes target/claude)",
        program.display()
    );
    Some(program)
}

/// The target folder.
///
/// # Panics
/// If this program does not lie in one.
#[must_use]
pub fn target_dir() -> PathBuf {
    own_profile_dir()
        .parent()
        .expect("a profile folder lies in a target folder")
        .to_path_buf()
}

/// `target/debug` or `target/release`: test binaries lie in its `deps`, programs in itself.
fn own_profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a program knows its own path");
    let folder = exe.parent().expect("a program lies in a folder");
    let is_deps = folder.file_name() == Some("deps".as_ref());
    let profile = if is_deps {
        folder.parent()
    } else {
        Some(folder)
    };
    profile.unwrap_or_else(|| Path::new(".")).to_path_buf()
}
