//! The domain decides and does nothing else: its sources name no transport, store or clock.

use std::path::Path;

#[test]
fn the_domain_reaches_nothing_outside() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for banned in [
            "tonic::",
            "redis::",
            "tokio::",
            "SystemTime",
            "Instant::now",
            "Utc::now",
            "now_v7",
            "std::fs",
            "shim_store",
            "crate::rpc",
        ] {
            assert!(!text.contains(banned), "{} names {banned}", path.display());
        }
        files += 1;
    }
    assert!(files > 5, "the domain was found");
}
