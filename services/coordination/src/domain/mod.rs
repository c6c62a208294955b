//! Pure decisions about jobs: how large they are, how they are split, what they wait for and what comes out of them.

pub(crate) mod copy;
pub(crate) mod estimate;
pub(crate) mod graph;
pub(crate) mod merge;
mod merge_data;
pub(crate) mod plan;
pub(crate) mod queues;
pub(crate) mod schedule;
pub(crate) mod split;
