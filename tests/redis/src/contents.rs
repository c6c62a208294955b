//! All that a server holds, so that a test sees whether something was left behind.

use std::collections::BTreeMap;

use crate::{Redis, Reply};

impl Redis {
    /// Every key with its value, without times to live.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<String, Reply> {
        let read = |words: &[&str]| self.command(words).expect("a key can be read");
        let keys = read(&["KEYS", "*"]);
        let keys = keys.items().iter().filter_map(Reply::text);
        let mut contents = BTreeMap::new();
        for key in keys {
            let kind = read(&["TYPE", key]);
            let value = match kind.text().unwrap_or_default() {
                "string" => read(&["GET", key]),
                "hash" => sorted(&read(&["HGETALL", key]), 2),
                "set" => sorted(&read(&["SMEMBERS", key]), 1),
                "list" => read(&["LRANGE", key, "0", "-1"]),
                "zset" => read(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
                "stream" => read(&["XRANGE", key, "-", "+"]),
                // It ended in between.
                _ => continue,
            };
            contents.insert(key.to_owned(), value);
        }
        contents
    }
}

/// A hash or set has no order; `width` is how many replies an item has.
fn sorted(reply: &Reply, width: usize) -> Reply {
    let items = reply.items().chunks(width);
    let mut items: Vec<String> = items.map(|item| format!("{item:?}")).collect();
    items.sort();
    Reply::List(items.into_iter().map(Reply::Text).collect())
}
