//! Tasks over a real Redis: what the scripts decide, and what BullMQ holds after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod house;
mod laws;
mod life;
mod matrix;
mod process;
mod walk;
