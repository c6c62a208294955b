//! The same for those who submit tasks and for those who do them.

mod jobs;
mod subject;
mod work;

pub(crate) use jobs::add_to as add_job_cases;
pub(crate) use subject::{Jobs, Work};
