//! What the store takes of Redis's memory.

use shim_proto::coordination::v1::{QueueHealthResponse, StoreSize};

use super::check::Check;
use crate::store_line::line;

/// Above this share of its `maxmemory` Redis may soon refuse writes.
const FULL_ABOVE: f64 = 0.8;

/// How full Redis is, and with what.
pub(super) fn check(health: &QueueHealthResponse) -> Check {
    let name = "memory";
    let detail = line(health);
    let (used, max) = (health.store_bytes, health.max_store_bytes);
    if max > 0 && used as f64 >= max as f64 * FULL_ABOVE {
        let remedy = format!(
            "{}; or raise redis.maxmemory (of another Redis, its maxmemory)",
            way_to_clear(largest(health).map_or("", |size| &size.kind))
        );
        return Check::warn(name, detail, remedy);
    }
    Check::ok(name, detail)
}

fn largest(health: &QueueHealthResponse) -> Option<&StoreSize> {
    health.store_sizes.iter().max_by_key(|size| size.bytes)
}

/// What makes room of a kind, which works on a full Redis, too.
fn way_to_clear(kind: &str) -> &'static str {
    match kind {
        "tasks" | "queues" => {
            "`shim tasks cancel` what is not needed, and keep fewer ended jobs (tasks.keep, tasks.keep_jobs)"
        }
        "state" => "`shim state clear`, for each namespace that needs its entries no more",
        "messages" => "`shim messages clear SESSION`, for each inbox that nobody reads",
        "locks" => "`shim locks release`",
        "files" => "`shim files release`",
        _ => "wait two minutes: what requests did is forgotten by then",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn a_store_that_fills_up_is_warned_of_with_what_makes_room() {
        let size = |kind: &str, bytes| StoreSize {
            kind: kind.to_owned(),
            keys: 3,
            bytes,
        };
        let mut health = QueueHealthResponse {
            store_bytes: 700 << 20,
            max_store_bytes: 1 << 30,
            store_sizes: vec![size("tasks", 1 << 20), size("state", 600 << 20)],
            ..QueueHealthResponse::default()
        };
        let found = check(&health);
        assert_eq!(found.verdict, Verdict::Ok);
        assert_eq!(
            found.detail,
            "700 MB of at most 1.0 GB in Redis: state 600 MB, tasks 1.0 MB"
        );
        health.store_bytes = 900 << 20;
        let found = check(&health);
        assert_eq!(found.verdict, Verdict::Warn);
        health.max_store_bytes = 0;
        assert_eq!(check(&health).verdict, Verdict::Ok);
    }
}
