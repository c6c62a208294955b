//! Tasks over a real Redis: what the scripts decide, and what BullMQ holds after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod counted;
mod faults;
mod files;
mod foreign;
mod house;
mod laws;
mod life;
mod matrix;
mod notices;
mod order;
mod process;
mod race;
mod retries;
mod time;
mod walk;
mod weight;
