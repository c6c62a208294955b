//! The rows of each table, and functions over one connection. The caller owns the transaction.

pub(super) mod absent_numbers;
pub(super) mod appending;
pub(super) mod checkpoints;
pub(super) mod column;
pub(super) mod conversations;
pub(super) mod gaps;
pub(super) mod memory;
pub(super) mod observations;
pub(super) mod observed_events;
pub(super) mod projects;
pub(super) mod pruning;
pub(super) mod rank_facts;
pub(super) mod rank_memory;
pub(super) mod restores;
pub(super) mod seals;
pub(super) mod search;
pub(super) mod segments;
pub(crate) mod sessions;
pub(super) mod signals;
pub(crate) mod stored_session;
pub(super) mod tally;
pub(super) mod task_checkpoints;
pub(super) mod task_texts;
pub(super) mod text_memory;
