//! The same for those who submit tasks and for those who do them.

mod fixtures;
mod jobs;
mod work;

pub(crate) use fixtures::{JobFixture, WorkFixture};
pub(crate) use jobs::add_to as add_job_cases;
