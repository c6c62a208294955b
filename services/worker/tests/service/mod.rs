//! Stories of the worker service, beside the coordination and checkpoint services: a real Redis of its own for each.

mod chat;
mod choices;
mod claims;
mod conservation;
mod crew;
mod faults;
mod house;
mod killed;
mod refusals;
