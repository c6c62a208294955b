//! Pure decisions about who gets which task.

pub(crate) mod assignment;
