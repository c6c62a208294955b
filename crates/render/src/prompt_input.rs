//! What a resume prompt is made of.

use std::time::Duration;

use shim_proto::checkpoint::v1::{Checkpoint, CheckpointState, Claim, Interruption, OpenTask};

/// The reader of the prompt.
#[derive(Debug, Clone, Copy)]
pub enum Reader<'a> {
    /// The session of the checkpoint, restored.
    SameSession {
        /// What interrupted the session, if anything did.
        interruption: Option<&'a Interruption>,
        /// The numbers of newer checkpoints that are damaged or missing.
        damaged: &'a [u64],
    },
    /// Another worker that goes on with the task.
    NextWorker,
}

/// What the prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct PromptInput<'a> {
    /// The checkpoint's header.
    pub checkpoint: &'a Checkpoint,
    /// The checkpoint's content.
    pub state: &'a CheckpointState,
    /// The verdicts on that content, from [`crate::verification::verify_claims`].
    pub claims: &'a [Claim],
    /// The time since the checkpoint was saved; `None` if it is unknown.
    pub age: Option<Duration>,
    /// The session's other unfinished tasks.
    pub others: &'a [OpenTask],
    /// The reader.
    pub reader: Reader<'a>,
}
