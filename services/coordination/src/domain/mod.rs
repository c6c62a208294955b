//! Pure decisions about jobs: their estimate, their split, their dependencies, their schedules and their merged results.

pub(crate) mod analysis_parts;
pub(crate) mod copy;
pub(crate) mod estimate;
pub(crate) mod graph;
pub(crate) mod kinds;
pub(crate) mod merge;
mod merge_data;
pub(crate) mod plan;
pub(crate) mod queues;
pub(crate) mod schedule;
pub(crate) mod split;
mod task_defaults;
