//! Checkpoint contents that look like real ones: sentences of a working vocabulary with numbers, paths and names in
//! between, so they compress about as well as a real conversation does.

use std::fmt::Write as _;

use prost::Message;
use shim_proto::checkpoint::v1::{CheckpointState, FilePresence, FileState};

use crate::rng::SeededRng;

const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are this have from or had \
    an they which one you were all her she there would their we him been has when who will no more if out so up said \
    what its about than into them can only other time new some could these two may first then do any like my now over \
    such our man me even most made after also well parser handler request response retry timeout session checkpoint \
    epoch lease token queue worker migration schema index query transaction commit rollback branch merge rebase \
    refactor extract inline rename cache invalidate serialize decode encode buffer stream socket connection pool thread \
    async await future channel mutex deadlock race latency throughput percentile histogram metric dashboard alert test \
    fixture mock assertion coverage lint format compile link release deploy container volume network proxy gateway \
    client server endpoint header payload validation error panic recover resume restore replay snapshot archive export \
    import delete prune retain compress hash verify sign encrypt rotate secret permission role policy audit log trace \
    span context budget window summary decision blocker milestone estimate review approve reject document explain";

const ENDINGS: [&str; 5] = ["rs", "ts", "py", "sql", "md"];

/// A sentence of about `words` words.
pub fn sentence(rng: &mut SeededRng, words: u64) -> String {
    let vocabulary: Vec<&str> = WORDS.split_ascii_whitespace().collect();
    let mut text = String::new();
    for n in 0..words {
        let gap = if n == 0 { "" } else { " " };
        match rng.within(0..16) {
            0 => write!(text, "{gap}{}", rng.within(0..100_000)),
            1 => write!(
                text,
                "{gap}{}_{}",
                rng.pick(&vocabulary),
                rng.pick(&vocabulary)
            ),
            2 => write!(text, "{gap}{:08x}", rng.next_u64() >> 32),
            _ => write!(text, "{gap}{}", rng.pick(&vocabulary)),
        }
        .expect("a String takes all");
    }
    text.push('.');
    text
}

/// The path of a source file.
pub fn path(rng: &mut SeededRng) -> String {
    let vocabulary: Vec<&str> = WORDS
        .split_ascii_whitespace()
        .filter(|word| word.len() > 4)
        .collect();
    format!(
        "src/{}/{}.{}",
        rng.pick(&vocabulary),
        rng.pick(&vocabulary),
        rng.pick(&ENDINGS)
    )
}

/// A state whose encoding has `bytes` bytes, give or take a sentence, about `task`.
pub fn state(rng: &mut SeededRng, task: &str, bytes: usize) -> CheckpointState {
    let mut state = CheckpointState {
        current_task: task.to_owned(),
        progress: f64::from(u32::try_from(rng.within(0..100)).unwrap_or_default()) / 100.0,
        next_steps: vec![sentence(rng, 8)],
        ..CheckpointState::default()
    };
    let mut size = state.encoded_len();
    while size < bytes {
        let text = sentence(rng, 14);
        size += text.len() + 3;
        match rng.within(0..8) {
            0 => state.active_files.push(FileState {
                path: path(rng),
                presence: FilePresence::Present.into(),
                size_bytes: rng.within(100..100_000),
                ..FileState::default()
            }),
            1 => state.completed_steps.push(text),
            2 => state.next_steps.push(text),
            3 => state.decisions.push(text),
            _ => {
                state.summary.push_str(&text);
                state.summary.push(' ');
            }
        }
    }
    state
}
