//! Tasks over a real Redis: what the scripts decide, and what BullMQ holds after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod files;
mod house;
mod laws;
mod life;
mod matrix;
mod order;
mod process;
mod race;
mod retries;
mod walk;
