//! What the services answer, as the facts that a model acts on: the structure of an answer, which is all that some clients
//! show. What is unset, empty or as usual is left out, no id stands twice, and moments are told as spans. All there is of
//! a thing is in its resource (`render::json`).

mod facts;
mod sessions;
mod tasks;

pub(crate) use facts::Facts;
pub(crate) use sessions::{
    assessment, candidate, checkpoint, checkpoints, claims, hit, listed_session, listed_worker,
    lost_claims, moved_files, number, session, session_task, worker,
};
pub(crate) use tasks::{Known, Listing, event, job, queue, reported, task};
