//! Real packages with their own tests: every transform is proposed, approved and verified. `make evolution-suite` runs it.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use shim_proto::evolution::v1::{Evolution, EvolutionState};

use super::tests::Fixture;
use crate::domain::evolution::lines_beyond_meaning;

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    style: String,
    /// The command of its tests, without what measures or publishes around it.
    test: String,
    /// What its tests need, beside its dependencies.
    install: Value,
}

#[derive(Debug, Default)]
struct Figures {
    files: usize,
    proposals: usize,
    places: u64,
    committed: usize,
    tests: String,
    /// Transform and reason of each evolution that was not committed.
    discarded: Vec<String>,
    beyond: usize,
    seconds: f64,
}

fn packages() -> Vec<Package> {
    let text = include_str!("../../tests/suite/packages.json");
    let all: Vec<Package> = serde_json::from_str(text).unwrap();
    let only = std::env::var("ONLY").unwrap_or_default();
    all.into_iter()
        .filter(|package| only.is_empty() || only.split(',').any(|name| name == package.name))
        .collect()
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/evolution-suite")
}

fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The package's files with what its tests need, from the registry of the user's npm.
fn downloaded(package: &Package) -> PathBuf {
    let folder = home().join(format!("{}-{}", package.name, package.version));
    if folder.join(".ready").exists() {
        return folder;
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let name = format!("{}@{}", package.name, package.version);
    let archive = run(&folder, "npm", &["pack", "--silent", &name]);
    let archive = archive.trim().lines().last().unwrap();
    run(&folder, "tar", &["xzf", archive, "--strip-components=1"]);
    std::fs::remove_file(folder.join(archive)).unwrap();
    let manifest = folder.join("package.json");
    let mut facts: Value =
        serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
    facts["scripts"] = json!({"test": package.test});
    facts["devDependencies"] = package.install.clone();
    std::fs::write(&manifest, serde_json::to_string_pretty(&facts).unwrap()).unwrap();
    run(
        &folder,
        "npm",
        &[
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--legacy-peer-deps",
        ],
    );
    std::fs::write(folder.join(".ready"), "").unwrap();
    folder
}

/// A fixture whose project is a copy of the package, with its packages linked.
fn fixture(source: &Path) -> Fixture {
    let fixture = Fixture::empty();
    run(
        &fixture.root,
        "cp",
        &["-r", &format!("{}/.", source.display()), "."],
    );
    fixture.write(".gitignore", "node_modules\n.ready\n");
    fixture.commit(&[]);
    fixture
}

async fn measured(package: &Package) -> Figures {
    let mut fixture = fixture(&downloaded(package));
    fixture.evolver.limits.tests = Duration::from_secs(600);
    fixture.evolver.limits.tool = Duration::from_secs(600);
    let before = fixture.tree();
    let began = Instant::now();
    let made = fixture.propose(&[]).await.unwrap();
    let mut figures = Figures {
        files: usize::try_from(made.summary.project.as_ref().unwrap().source_files).unwrap(),
        proposals: made.evolutions.len(),
        ..Figures::default()
    };
    for evolution in &made.evolutions {
        figures.places += evolution
            .files
            .iter()
            .map(|file| u64::from(file.changes))
            .sum::<u64>();
        match fixture.approve(evolution, true).await {
            Ok(done) if done.state() == EvolutionState::Committed => {
                figures.committed += 1;
                figures.beyond += beyond(&fixture, &done);
                figures.tests = done
                    .checks
                    .last()
                    .map(|check| format!("{}{}", check.after, check.skipped))
                    .unwrap_or_default();
            }
            Ok(done) => figures
                .discarded
                .push(format!("{}: {}", done.transform, done.reason)),
            Err(error) => figures
                .discarded
                .push(format!("{}: {error}", evolution.transform)),
        }
    }
    figures.seconds = began.elapsed().as_secs_f64();
    assert_eq!(
        fixture.tree(),
        before,
        "{}: the user's tree changed",
        package.name
    );
    fixture.nothing_is_left();
    figures
}

/// Lines of a commit that changed beyond what was meant, counted from what git has.
fn beyond(fixture: &Fixture, done: &Evolution) -> usize {
    let text = |commit: &str, path: &str| fixture.git(&["show", &format!("{commit}:{path}")]);
    let count = |file: &shim_proto::evolution::v1::FileChange| {
        let (before, after) = (text("main", &file.path), text(&done.commit, &file.path));
        lines_beyond_meaning(&before, &after, &file.meant)
    };
    done.files.iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads packages and runs their tests; `make evolution-suite` runs it"]
async fn evolution_suite() {
    std::fs::create_dir_all(home()).unwrap();
    let mut table = String::from(
        "| package | style | files | proposals | places | committed | their tests after each | lines beyond meaning | seconds |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut beyond = 0;
    let mut notes = String::new();
    for package in packages() {
        let figures = measured(&package).await;
        beyond += figures.beyond;
        let Package {
            name,
            version,
            style,
            ..
        } = &package;
        let Figures {
            files,
            proposals,
            places,
            committed,
            tests,
            seconds,
            ..
        } = &figures;
        writeln!(table, "| {name} {version} | {style} | {files} | {proposals} | {places} | {committed} | {tests} | {} | {seconds:.0} |", figures.beyond).unwrap();
        for discarded in &figures.discarded {
            writeln!(
                notes,
                "- {name}: {}",
                discarded.lines().next().unwrap_or_default()
            )
            .unwrap();
        }
        std::fs::write(
            home().join("figures.md"),
            format!("{table}\nNot committed:\n\n{notes}"),
        )
        .unwrap();
    }
    assert_eq!(beyond, 0, "{table}");
}
