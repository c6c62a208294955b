//! What the services answer: as text, as the facts of an answer, and as whole JSON for resources.

pub(crate) mod brief;
pub(crate) mod json;
pub(crate) mod phrases;
pub(crate) mod queues;
pub(crate) mod tasks;
pub(crate) mod workers;
