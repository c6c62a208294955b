//! Stories of programs that do tasks and of the workers that have them done, with real processes.

mod agents;
mod commands;
mod desk;
mod house;
mod lifeline;
mod orphans;
mod shifts;
mod troubles;
