//! What the services answer, as text and as JSON for tools, prompts and resources.

pub(crate) mod json;
pub(crate) mod phrases;
pub(crate) mod queues;
pub(crate) mod tasks;
pub(crate) mod workers;
