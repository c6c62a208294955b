//! What no caller should send, sent to every RPC and every tool: each is refused in words that name the field, and
//! nothing that was saved suffers.

mod cases;
pub(crate) mod coordination;
mod encodings;
mod evolution;
mod evolution_paths;
mod fields;
mod frames;
mod fuzz;
mod half_typed;
mod nesting;
mod requests;
pub(crate) mod secrets;
mod streams;
mod task_tools;
pub(crate) mod tasks;
mod tools;
mod unknown_ids;
pub(crate) mod valid;
pub(crate) mod wire;
