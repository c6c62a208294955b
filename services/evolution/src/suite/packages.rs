//! The packages, and their files with all that their tests need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

/// A package of `tests/suite/packages.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) style: String,
    /// The command of its tests, without what measures, lints or publishes around it.
    pub(super) test: String,
    /// What its tests need, beside its dependencies.
    install: Value,
    /// Files that its repository has and its archive lacks.
    #[serde(default)]
    write: BTreeMap<String, String>,
    /// Files that are left out, since they need what is not installed.
    #[serde(default)]
    remove: Vec<String>,
    /// What new tests are made for; everything if empty.
    #[serde(default)]
    pub(super) generate: Vec<String>,
    /// Options of its runner that a run of single files needs too.
    #[serde(default)]
    pub(super) runner_options: String,
}

/// All packages; with `ONLY` those that it names.
pub(super) fn chosen() -> Vec<Package> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let names: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let all = all();
    for name in &names {
        let is_known = all.iter().any(|package| package.name == *name);
        assert!(is_known, "ONLY={only}: there is no package {name}");
    }
    let is_chosen = |package: &Package| names.is_empty() || names.contains(&package.name.as_str());
    all.into_iter().filter(is_chosen).collect()
}

/// All packages in their order.
pub(super) fn all() -> Vec<Package> {
    serde_json::from_str(include_str!("../../tests/suite/packages.json")).unwrap()
}

/// Where packages and figures are kept.
pub(super) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/evolution-suite")
}

/// Runs a program to its end; what it printed, or what it said if it failed.
pub(super) fn run(folder: &Path, program: &str, args: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new(program)
        .current_dir(folder)
        .args(args)
        .output()
        .map_err(|why| format!("{program}: {why}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{program} {args:?}: {said}"))
}

/// The package's files with what its tests need, from the registry of the user's npm.
pub(super) fn downloaded(package: &Package) -> Result<PathBuf, String> {
    let name = package.name.replace(['@', '/'], "_");
    let folder = home().join(format!("{name}-{}", package.version));
    let wanted = format!("{package:?}");
    let marker = folder.join(".ready");
    if std::fs::read_to_string(&marker).is_ok_and(|made_from| made_from == wanted) {
        return Ok(folder);
    }
    println!("  installing");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    unpack(package, &folder)?;
    manifest(package, &folder);
    let args = [
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--legacy-peer-deps",
        "--loglevel=error",
    ];
    run(&folder, "npm", &args)?;
    std::fs::write(marker, wanted).unwrap();
    Ok(folder)
}

fn unpack(package: &Package, folder: &Path) -> Result<(), String> {
    let name = format!("{}@{}", package.name, package.version);
    let printed = run(folder, "npm", &["pack", "--silent", &name])?;
    let printed = String::from_utf8_lossy(&printed);
    let archive = printed.trim().lines().last().unwrap_or_default();
    run(folder, "tar", &["xzf", archive, "--strip-components=1"])?;
    std::fs::remove_file(folder.join(archive)).unwrap();
    for path in &package.remove {
        std::fs::remove_file(folder.join(path)).map_err(|why| format!("{path}: {why}"))?;
    }
    for (path, text) in &package.write {
        std::fs::write(folder.join(path), text).unwrap();
    }
    std::fs::write(folder.join(".gitignore"), "node_modules\n.ready\n").unwrap();
    Ok(())
}

/// Leaves one script, the tests, and what they need.
fn manifest(package: &Package, folder: &Path) {
    let manifest = folder.join("package.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut facts: Value = serde_json::from_str(&text).unwrap();
    facts["scripts"] = json!({"test": package.test});
    facts["devDependencies"] = package.install.clone();
    std::fs::write(manifest, serde_json::to_string_pretty(&facts).unwrap()).unwrap();
}
