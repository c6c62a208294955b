//! Puts the tool host's scripts into the program: what lies in `tools/`, but for installed packages and the manifests.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// What a script's name ends in.
const SCRIPTS: [&str; 4] = ["js", "cjs", "mjs", "json"];
/// What the program carries apart.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

fn main() -> io::Result<()> {
    let manifest_dir = variable("CARGO_MANIFEST_DIR")?;
    let tools = manifest_dir.join("tools");
    let mut files = Vec::new();
    collect(&tools, &mut files)?;
    files.sort();
    let mut code = String::from("pub(super) const SCRIPTS: &[(&str, &[u8])] = &[\n");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&tools).map_err(io::Error::other)?;
        writeln!(code, "    ({name:?}, include_bytes!({file:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    std::fs::write(variable("OUT_DIR")?.join("scripts.rs"), code)
}

fn variable(name: &str) -> io::Result<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("{name} is not set")))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // A new file in it makes the folder newer.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "node_modules") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .and_then(|it| it.to_str())
            .is_some_and(|it| SCRIPTS.contains(&it))
            && !MANIFESTS.iter().any(|it| path.ends_with(it))
        {
            files.push(path);
        }
    }
    Ok(())
}
