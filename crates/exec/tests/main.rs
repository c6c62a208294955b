//! Stories of programs: how they run, how they end, and that nothing of them is left.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod children;
mod escapes;
mod orphans;
mod owner;
mod runs;
mod test_env;
