//! Secrets sent in every field of every RPC and of every stream, through the tools and by a program: none is found on any
//! disk, in Redis, in an archive, in the log, among the spans, in the metrics or in an answer.

mod collector;
mod corpus;
pub(crate) mod fields;
mod requests;
pub(crate) mod streams;
mod test_stack;
mod tools;

/// Under a name such as `password` this is a secret; nothing else about it is.
const NAMED: &str = "correct horse battery staple";
