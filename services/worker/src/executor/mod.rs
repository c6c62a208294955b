//! Executors: the configured programs that do tasks.
//!
//! An executor feeds a claimed task to its program, turns the program's output into progress, and judges how it ended. It
//! never speaks to the store. Processes, their groups and their bounds are the business of `shim-exec`.

mod agent;
mod api_trouble;
mod claude_args;
mod command;
mod context;
mod conversations;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hindrance;
mod joined_lines;
mod json_line;
mod limit_words;
mod not_executed;
mod program;
mod program_executor;
mod prompt;
mod result_line;
mod run_error;
mod stream_json;
mod tool_calls;
mod transcript;
mod unreached;
mod values;
mod verdict;
mod working_dir;

use std::sync::Arc;

use shim_work::Executor;

use crate::config::{ExecutorConfig, ExecutorKind};

pub use context::ExecutorContext;

use agent::Agent;
use command::Command;
use program::Program;
use program_executor::ProgramExecutor;

impl ExecutorContext {
    /// The executor with this configuration.
    #[must_use]
    pub fn executor(&self, config: &ExecutorConfig) -> Arc<dyn Executor> {
        let program = Program::new(config.clone(), self.clone());
        match config.kind {
            ExecutorKind::Command => Arc::new(ProgramExecutor(Command::new(program))),
            ExecutorKind::Agent => Arc::new(ProgramExecutor(Agent::new(program))),
        }
    }
}
