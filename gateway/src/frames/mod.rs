//! Messages as they come: read, mended or refused, and never without a word.
//!
//! A client waits for hours for an answer that does not come. So what cannot be read is answered with the id that can be
//! told from it, the place and the remedy; only what asks for no answer is passed over. Half characters, as a text cut in
//! the middle of an emoji has them, become U+FFFD, and the call goes on. Each damaged message makes one warning.

mod cuts;
mod envelope;
mod faults;
mod ids;
mod losses;
mod names;
mod pieces;
mod stdio;
mod verdict;

pub(crate) use envelope::EnvelopeScan;
pub(crate) use losses::Losses;
pub(crate) use stdio::StdioTransport;
pub(crate) use verdict::{Refusal, Verdict, judge, judge_too_large};
