//! Stories of the checkpoint service: a real server on a Unix socket, a real database in a folder of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archives;
mod damage;
mod ends;
mod guidance;
mod leases;
mod many_tasks;
mod observed_checkpoints;
mod observed_events;
mod observed_rows;
mod observing;
mod projects;
mod recovery;
mod saving;
mod seals;
mod searching;
mod session_tasks;
mod signals;
mod test_service;
mod verifying;
mod windows;
