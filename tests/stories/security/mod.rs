//! The rights to call: every method of every process behind tokens and roles, tokens that change while calls go on or
//! stay open, certificates and their renewal, and callers that call too fast. What other users of the machine can read,
//! and what programs get to see.

mod auth_client;
mod certificates;
mod environment;
mod every_method;
mod limits;
mod modes;
mod open_calls;
mod rotation;
