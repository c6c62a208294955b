//! One wrong field at a time in what watchers and subscribers ask for.

use serde_json::json;

use super::field_cases::BEYOND_VERSIONS;
use crate::bad_input::cases::{Cases, MEBIBYTE};

/// Of all RPCs that answer with a stream, but for those about tasks.
pub(super) fn cases(cases: &mut Cases) {
    let beyond = [(json!(BEYOND_VERSIONS), ""), (json!(u64::MAX), "")];
    cases.add(&["WatchState"], "/after_version", beyond.clone());
    cases.add(&["WatchWorkers"], "/after_position", beyond);
    for (pointer, wrong) in [("/channels", "news*"), ("/patterns", "news[a]")] {
        let bad = [
            (json!([wrong]), "letters"),
            (json!(["with space"]), "letters"),
            (json!([""]), "128"),
            (json!(["x".repeat(129)]), "128"),
            (json!(["x".repeat(10 * MEBIBYTE)]), "128"),
            (json!(["a\0b"]), "letters"),
            (json!(vec!["a"; 101]), "100"),
        ];
        cases.add(&["Subscribe"], pointer, bad);
    }
}
