//! Pure decisions: which worker gets which task.

pub(crate) mod assignment;
