//! The suites: many clients at work while something is killed, frozen or raced at random moments, and a check of every
//! promise afterwards. All chance comes from one seed, which is printed.

mod actor;
pub mod checkpoint;
pub mod claude;
pub mod coordination;
pub mod evolution;
pub mod overload;
pub mod tasks;
