//! Secrets (keys, tokens, passwords) are taken out of every text before it is stored, logged or exported.
//!
//! [`rules`] define a secret. Each way in has a file: requests of every service in [`requests`], log lines in
//! [`log_writer`], spans in [`spans`], the output of programs in [`stream`]. Texts that were stored before a rule existed
//! are never rewritten.

mod arguments;
mod free_form;
mod log_writer;
mod marks;
mod named;
mod names;
mod protobuf;
mod requests;
mod rules;
mod secret_match;
mod spans;
mod stream;
mod text;

pub use free_form::data;
pub use log_writer::RedactingMakeWriter;
pub use requests::message;
pub(crate) use requests::redact_request;
pub(crate) use rules::init_series;
pub(crate) use spans::redact_spans;
pub use stream::StreamRedactor;
pub use text::{string, text};

#[cfg(test)]
mod tests;
