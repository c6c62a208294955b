//! Pure decisions: no clock, no file, no process, no transport.

#[allow(dead_code, unused_imports)]
pub(crate) mod testing;
