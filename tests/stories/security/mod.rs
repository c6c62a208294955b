//! Who may call what: every method of every process behind tokens and roles, tokens that change while calls go on,
//! certificates, and callers that call too fast.

mod certificates;
mod door;
mod every_method;
mod limits;
mod rotation;
