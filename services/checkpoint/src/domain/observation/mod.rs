//! What is known of a conversation from the events that its client told by itself.
//!
//! (A) The same events give the same observation in whatever order they come, as far as their times tell it: the newest of
//! what replaces itself wins, and what is counted is counted once. (B) All of it is bounded. (C) What the model told through
//! tools is no part of it.

pub(crate) mod binding;
mod bounds;
pub(crate) mod due;
mod fold;
mod kept;
mod plan;
pub(crate) mod state;

#[cfg(test)]
mod binding_test;
#[cfg(test)]
mod order_test;
#[cfg(test)]
mod state_test;
#[cfg(test)]
mod tests;

pub(crate) use fold::{Seen, fold};
pub(crate) use kept::{Half, Observation, micros};
