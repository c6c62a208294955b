//! The shape of the code, held as `shim_tests::census` counts it. A failure names the places and says what to do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shim_tests::census::{AMBIGUOUS, Census, LONGEST_FILE, LONGEST_FUNCTION};

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}

fn census() -> Census {
    let census = Census::of(&repository()).unwrap();
    assert!(census.lines > 10_000, "the sources were found");
    census
}

/// Fails with every place and what to do about them.
fn assert_none(found: &[String], what: &str, remedy: &str) {
    assert!(
        found.is_empty(),
        "{} {what}:\n  {}\nremedy: {remedy}",
        found.len(),
        found.join("\n  ")
    );
}

fn place((file, line): &(PathBuf, usize)) -> String {
    format!("{}:{line}", file.display())
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circle = |files: &Vec<PathBuf>| {
        let files = files.iter().map(|file| file.display().to_string());
        files.collect::<Vec<_>>().join(" ")
    };
    let found: Vec<_> = census().circles.iter().map(circle).collect();
    assert_none(
        &found,
        "circles of imports",
        "move what the files share to a file of its own; a mod.rs that re-exports its children must not define what they \
         use, and a child imports from the sibling that defines a name, not from its parent",
    );
}

#[test]
fn no_type_bears_a_name_that_stands_for_several_things() {
    let census = census();
    let place = |(file, name): &(PathBuf, String)| format!("{}: {name}", file.display());
    let found: Vec<_> = census.ambiguous_types.iter().map(place).collect();
    assert_none(
        &found,
        &format!("types called one of {AMBIGUOUS:?}"),
        "give it the field's word for what it is",
    );
}

#[test]
fn every_background_task_has_an_owner() {
    let found: Vec<_> = census().unowned_spawns.iter().map(place).collect();
    assert_none(
        &found,
        "tasks whose handle is dropped",
        "start it through shim_runtime::background::BackgroundTasks, which gives it a name and a policy for panics, and \
         call `finish` where its owner drains",
    );
}

#[test]
fn scripts_read_their_arguments_by_name() {
    let found: Vec<_> = census().positional_arguments.iter().map(place).collect();
    assert_none(
        &found,
        "positional arguments in Lua",
        "pass a struct through Script::named and read `args.NAME` in the script",
    );
}

#[test]
fn no_file_is_longer_than_one_room() {
    let found: Vec<_> = census().long_files.iter().map(place).collect();
    assert_none(
        &found,
        &format!("files over {LONGEST_FILE} lines"),
        "find the second subject in it and give that a file",
    );
}

#[test]
fn no_function_is_longer_than_one_screen() {
    let census = census();
    let place = |(file, name, lines): &(PathBuf, String, usize)| {
        format!("{}::{name} has {lines}", file.display())
    };
    let found: Vec<_> = census.long_functions.iter().map(place).collect();
    assert_none(
        &found,
        &format!("functions over {LONGEST_FUNCTION} lines"),
        "name its steps and make each a function",
    );
}

/// What a manifest lists under `[dependencies]` and `[build-dependencies]`, or under `[dev-dependencies]` too.
fn dependencies(manifest: &str, with_dev: bool) -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join(manifest)).unwrap();
    let mut is_listed = false;
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            is_listed = section.ends_with("dependencies")
                && (with_dev || !section.ends_with("dev-dependencies"));
        } else if is_listed && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            found.extend((!name.is_empty()).then(|| name.trim_matches('"').to_owned()));
        }
    }
    assert!(found.len() > 1, "{manifest} was read");
    found
}

#[test]
fn crates_depend_in_one_direction() {
    let services = ["shim-checkpoint", "shim-coordination", "shim-worker"];
    let front = ["shim-gateway", "shim"];
    let grounds = ["shim-store", "shim-work", "shim-sqlite", "shim-exec"];
    let rules: [(&str, Vec<&str>); 10] = [
        (
            "proto",
            [
                &services[..],
                &front,
                &grounds,
                &["shim-runtime", "shim-render"],
            ]
            .concat(),
        ),
        (
            "crates/render",
            [&services[..], &front, &grounds, &["shim-runtime"]].concat(),
        ),
        // The runtime makes texts of others harmless in its logs, probes and refusals, as `shim-render` does.
        ("crates/runtime", [&services[..], &front, &grounds].concat()),
        (
            "crates/sqlite",
            [&services[..], &front, &["tonic", "shim-store"]].concat(),
        ),
        (
            "crates/exec",
            [&services[..], &front, &["tonic", "shim-store"]].concat(),
        ),
        ("crates/work", [&services[..], &front].concat()),
        (
            "crates/store",
            [&services[..], &front, &["tonic", "rusqlite"]].concat(),
        ),
        (
            "services/checkpoint",
            [
                &front[..],
                &["shim-coordination", "shim-worker", "shim-store"],
            ]
            .concat(),
        ),
        (
            "services/coordination",
            [&front[..], &["shim-checkpoint", "shim-worker"]].concat(),
        ),
        (
            "services/worker",
            [&front[..], &["shim-checkpoint", "shim-coordination"]].concat(),
        ),
    ];
    let mut found = Vec::new();
    for (folder, banned) in rules {
        let listed = dependencies(&format!("{folder}/Cargo.toml"), false);
        let wrong = banned.into_iter().filter(|name| listed.contains(*name));
        found.extend(wrong.map(|name| format!("{folder} depends on {name}")));
    }
    // The gateway's stories over the services are a crate of their own (`tests/gateway/`), so that the gateway knows no service.
    let listed = dependencies("gateway/Cargo.toml", true);
    let known = services.iter().chain(&grounds);
    let wrong = known.filter(|name| listed.contains(**name));
    found.extend(wrong.map(|name| format!("gateway depends on {name}")));
    assert_none(
        &found,
        "dependencies against the direction of ARCHITECTURE.md",
        "move what both need to a crate below both, or call the service over its contract",
    );
}

/// The production sources below a folder that name one of these words.
fn naming(folder: &str, words: &[&str]) -> Vec<String> {
    let packages = shim_tests::census::packages(&repository()).unwrap();
    let sources = packages.iter().flat_map(|package| package.sources.values());
    let below: Vec<_> = sources
        .filter(|source| source.path.starts_with(folder))
        .collect();
    assert!(!below.is_empty(), "{folder} has sources");
    let mut found = Vec::new();
    for source in below {
        for word in words.iter().filter(|word| source.code.contains(**word)) {
            found.push(format!("{} names {word}", source.path.display()));
        }
    }
    found
}

#[test]
fn the_store_knows_no_transport() {
    assert_none(
        &naming("crates/store/src", &["tonic::", "shim_sqlite", "rusqlite"]),
        "files of the store that know a transport or another store",
        "answer with a StoreError; the service maps it to a status",
    );
}

#[test]
fn handlers_compose_no_sql() {
    assert_none(
        &naming(
            "services/checkpoint/src/rpc",
            &["rusqlite", "Transaction<", "Connection"],
        ),
        "handlers that reach into the database",
        "give the checkpoint store a method that says what is meant, and do the rows there",
    );
}
