//! Domain code decides and does nothing else: the sources of every domain folder name no transport, store or clock.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// What no domain file may name.
const BANNED: [&str; 13] = [
    "tonic::",
    "rusqlite",
    "redis::",
    "tokio::",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "now_v7",
    "std::fs",
    "shim_store",
    "crate::store",
    "crate::rpc",
    "reqwest",
];

/// The domain folders of the workspace, each with the least number of files that shows it was found.
const DOMAINS: [(&str, usize); 5] = [
    ("crates/store/src/domain", 3),
    ("services/checkpoint/src/domain", 6),
    ("services/coordination/src/domain", 6),
    ("services/worker/src/domain", 2),
    ("services/evolution/src/domain", 2),
];

fn workspace() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap().to_path_buf()
}

/// The Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let nested = paths.map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    });
    nested.flatten().collect()
}

#[test]
fn every_domain_reaches_nothing_outside() {
    for (domain, least) in DOMAINS {
        let files = sources(&workspace().join(domain));
        assert!(files.len() >= least, "{domain} was found");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for banned in BANNED {
                assert!(!text.contains(banned), "{} names {banned}", file.display());
            }
        }
    }
}

/// A new domain folder must be listed above.
#[test]
fn every_domain_is_checked() {
    let crates = ["crates", "services"].map(|folder| workspace().join(folder));
    let crates = crates
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let folders = crates.map(|entry| entry.unwrap().path().join("src/domain"));
    let found = folders.filter(|folder| folder.is_dir());
    let listed = DOMAINS.map(|(domain, _)| workspace().join(domain));
    for folder in found {
        assert!(
            listed.contains(&folder),
            "{} is not checked",
            folder.display()
        );
    }
}
