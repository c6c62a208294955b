//! What is looked at after each minute.

use std::collections::BTreeMap;
use std::path::Path;

use shim_redis_harness::Redis;

use crate::bench::curves::folder_bytes;
use crate::bench::tasks::used_memory;
use crate::process;
use crate::service::Service;

const MIB: f64 = 1024.0 * 1024.0;

/// Names with their units, and values.
pub(super) fn look(service: &Service, redis: &Redis, data_dir: &Path) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for (name, pid) in [("stack", service.pid()), ("redis-server", redis.pid())] {
        values.push((
            format!("memory of {name} [MiB]"),
            count(process::resident_bytes(pid)) / MIB,
        ));
        let files = u64::try_from(process::open_files(pid)).unwrap_or(u64::MAX);
        values.push((format!("open files of {name}"), count(files)));
    }
    values.push((
        "memory that Redis gave out [MiB]".into(),
        used_memory(redis) / MIB,
    ));
    values.push((
        "kept on disk [MiB]".into(),
        count(folder_bytes(data_dir)) / MIB,
    ));
    for (kind, keys) in keys_by_kind(redis) {
        values.push((format!("keys {kind}"), count(keys)));
    }
    values
}

/// How many keys there are of each kind: a key without what names one thing (ids, numbers).
fn keys_by_kind(redis: &Redis) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = redis.command(&["SCAN", &cursor, "COUNT", "1000"]);
        let page = page.expect("Redis lists its keys");
        let [next, keys] = page.items() else {
            return kinds;
        };
        for key in keys.items() {
            *kinds
                .entry(kind(key.text().unwrap_or_default()))
                .or_default() += 1;
        }
        cursor = next.text().unwrap_or("0").to_owned();
        if cursor == "0" {
            return kinds;
        }
    }
}

fn kind(key: &str) -> String {
    let is_word = |part: &&str| !part.bytes().any(|byte| byte.is_ascii_digit());
    let parts = key
        .split([':', '/'])
        .map(|part| if is_word(&part) { part } else { "*" });
    parts.collect::<Vec<_>>().join(":")
}

fn count(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = number as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_kind_have_one_name() {
        assert_eq!(kind("{shim.tasks}:work:17"), kind("{shim.tasks}:work:4"));
        assert_ne!(kind("{shim.tasks}:work:17"), kind("{shim.tasks}:other:17"));
    }
}
