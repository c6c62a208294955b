//! Pure decisions: no clock, no file, no process, no transport.

pub(crate) mod analysis;
pub(crate) mod patterns;
pub(crate) mod work_history;
