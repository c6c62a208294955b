//! Stories of the worker service, beside the coordination and checkpoint services: a real Redis of its own for each.

mod chat;
mod claims;
mod house;
