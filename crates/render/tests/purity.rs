//! The crate turns values into text: its sources name no transport, no file, no store and no clock.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_sources_reach_nothing_outside() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for banned in [
            "tonic::", "tokio::", "now()", "Instant", "std::fs", "std::io", "std::env", "std::net",
        ] {
            assert!(!text.contains(banned), "{} names {banned}", path.display());
        }
        files += 1;
    }
    assert!(files > 5, "the sources were found");
}
