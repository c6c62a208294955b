//! Pure decisions: no clock, no file, no process, no transport.

pub(crate) mod agent_work;
pub(crate) mod analysis;
pub(crate) mod evolution;
pub(crate) mod patterns;
pub(crate) mod testing;
pub(crate) mod work_history;
