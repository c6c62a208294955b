//! Stories of the worker service, beside the coordination and checkpoint services: a real Redis of its own for each.

mod chat_worker;
mod choices;
mod claims;
mod conservation;
mod faults;
mod killed;
mod pool;
mod refusals;
mod test_stack;
mod unfit;
