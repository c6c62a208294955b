//! What the store takes of Redis's memory, in a line.

use shim_proto::coordination::v1::{QueueHealthResponse, StoreSize};
use shim_render::figures::bytes;

/// "34 MB of at most 1 GB in Redis: tasks 20 MB (1200 keys), ...".
pub(crate) fn line(health: &QueueHealthResponse) -> String {
    let of = match health.max_store_bytes {
        0 => "in Redis, which has no bound (maxmemory)".to_owned(),
        max => format!("of at most {} in Redis", bytes(max)),
    };
    let mut sizes: Vec<&StoreSize> = health.store_sizes.iter().collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.bytes));
    let kinds: Vec<String> = sizes
        .iter()
        .filter(|size| size.keys > 0)
        .map(|size| format!("{} {}", size.kind, bytes(size.bytes)))
        .collect();
    let mut line = format!("{} {of}", bytes(health.store_bytes));
    if !kinds.is_empty() {
        line.push_str(": ");
        line.push_str(&kinds.join(", "));
    }
    line
}
