//! The rights to call: every method of every process behind tokens and roles, tokens that change while calls go on or
//! stay open, certificates and their renewal, and callers that call too fast. What other users of the machine can read,
//! reach and put in the way, and what programs get to see.

mod auth_client;
mod certificates;
mod data_folder;
mod environment;
mod every_method;
mod limits;
mod loopback;
mod modes;
mod open_calls;
mod rotation;
mod stranger;
