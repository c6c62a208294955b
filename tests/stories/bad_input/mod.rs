//! What no caller should send, sent to every RPC and every tool: each is refused in words that name the field, and
//! nothing that was saved suffers.

mod cases;
mod coordination;
mod encodings;
mod fields;
mod frames;
mod fuzz;
mod half_typed;
mod nesting;
mod requests;
mod secrets;
mod streams;
mod task_tools;
mod tasks;
mod tools;
mod unknown_ids;
mod valid;
mod wire;
