//! Stories of the configured programs that do tasks, with real processes.

mod agents;
mod commands;
mod conversations;
mod test_env;
