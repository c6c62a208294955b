//! The real Claude Code without a model: it speaks to a scripted stand-in of the Messages API (`tests/python/claude_lab.py`), in a
//! network namespace with nothing but loopback, with a home that is thrown away. What is told of the model is what the script
//! says; all else is the real client's doing.
//!
//! Unix sockets cross namespaces, loopback does not: the stack may run outside as long as it is spoken to over its socket, but
//! what reaches the stand-in runs inside.

mod lab;
mod observer;
mod screen;
mod steps;
mod window;

pub use lab::{ClaudeLab, Streams};
pub use observer::Observer;
pub use steps::{edit, fault, held, shell, text, tool, tools, with_usage, write};
pub use window::{Window, WindowKind};
