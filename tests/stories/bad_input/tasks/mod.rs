//! Bad input to the services through which tasks are submitted and done.

mod fixtures;
mod jobs;
mod work;

pub(crate) use fixtures::{JobFixture, WorkFixture};
pub(crate) use jobs::add_to as add_job_cases;
