//! What a task costs in Redis: room while it waits and when it is done, and time on its whole way.
//!
//! `SHIM_TASKS` makes it more.

use futures::stream::{self, StreamExt};

use super::test_store::{TestStore, single};

/// Room that a finished task may take, with its log and what BullMQ keeps of it.
const MOST_BYTES: u64 = 2_048;

impl TestStore {
    /// A number from INFO.
    fn number(&self, section: &str, name: &str) -> u64 {
        let info = self.redis.command(&["INFO", section]).unwrap();
        let info = info.text().unwrap().to_owned();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().parse().unwrap()
    }

    /// Bytes in use, without the answers to requests that may come again, which go after two minutes.
    fn bytes(&self) -> u64 {
        let forget =
            "for _, key in ipairs(redis.call('KEYS', '*:did:*')) do redis.call('UNLINK', key) end";
        self.redis.command(&["EVAL", forget, "0"]).unwrap();
        self.number("memory", "used_memory_dataset")
    }

    /// Microseconds that Redis worked on commands.
    fn busy_us(&self) -> u64 {
        let stats = self.redis.command(&["INFO", "commandstats"]).unwrap();
        let stats = stats.text().unwrap().to_owned();
        let scripts = stats
            .lines()
            .filter(|line| line.starts_with("cmdstat_eval"));
        let spent = scripts.map(|line| {
            let from = line.split("usec=").nth(1).unwrap();
            from.split(',').next().unwrap().parse::<u64>().unwrap()
        });
        spent.sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_task_takes_little_room() {
    let count: u64 = std::env::var("SHIM_TASKS").map_or(3_000, |tasks| tasks.parse().unwrap());
    let env = TestStore::new().await;
    // The scripts, the queue and its events are there before.
    for _ in 0..200 {
        env.submit(single("first")).await;
        let claimed = env.claim("w").await.unwrap();
        env.complete(&claimed, "done").await;
    }
    env.wait_until_relayed().await;
    let (empty, idle) = (env.bytes(), env.busy_us());
    let submits = (0..count).map(|i| env.submit(single(&format!("look at part {i} of the work"))));
    stream::iter(submits).buffer_unordered(32).count().await;
    let (queued, submitted) = (env.bytes(), env.busy_us());
    let work = (0..count).map(|_| async {
        let claimed = env.claim_soon("w").await;
        env.complete(&claimed, "it is done, and this is what came of it")
            .await;
    });
    stream::iter(work).buffer_unordered(32).count().await;
    env.wait_until_relayed().await;
    env.store.tasks.trim("work").await.unwrap();
    let (finished, done) = (env.bytes(), env.busy_us());
    let each = |from: u64, to: u64| to.saturating_sub(from) / count;
    eprintln!(
        "queued: {} bytes, {} us of Redis",
        each(empty, queued),
        each(idle, submitted)
    );
    eprintln!(
        "finished: {} bytes, {} us more",
        each(empty, finished),
        each(submitted, done)
    );
    assert!(each(empty, finished) <= MOST_BYTES);
}
