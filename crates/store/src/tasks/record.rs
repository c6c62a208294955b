//! The record of a task: the fields of its hash, decoded once. The names of the hash stay as they are stored.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use shim_proto::coordination::v1::TaskState;

/// What changes of a task. A field that the hash lacks is empty, or 0.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    #[serde(rename = "state", deserialize_with = "number")]
    state_number: i32,
    /// The root of its job; empty if it is the root.
    pub(super) root: String,
    pub(super) queue: String,
    /// The id of its job in BullMQ, if another program made that; else empty.
    pub(super) job: String,
    /// When that job was made, in milliseconds of Unix time.
    #[serde(rename = "made", deserialize_with = "parsed")]
    pub(super) made_ms: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) priority: u32,
    #[serde(rename = "most", deserialize_with = "number")]
    pub(super) max_attempts: u32,
    #[serde(deserialize_with = "number")]
    pub(super) attempts: u32,
    #[serde(deserialize_with = "number")]
    pub(super) deaths: u32,
    #[serde(rename = "pause", deserialize_with = "number")]
    pub(super) backoff_ms: u64,
    pub(super) worker: String,
    #[serde(deserialize_with = "number")]
    pub(super) epoch: u64,
    #[serde(deserialize_with = "number")]
    pub(super) lease: u64,
    pub(super) session: String,
    pub(super) checkpoint: String,
    /// The lease on its files, or empty.
    pub(super) files: String,
    /// `start` or `result`, if it waits for an approval.
    pub(super) gate: String,
    /// `1` if it is a job with subtasks.
    pub(super) parts: String,
    pub(super) stuck: String,
    /// The task on whose behalf a job was submitted, or empty.
    pub(super) parent: String,
    #[serde(deserialize_with = "number")]
    pub(super) depth: u32,
    /// Of a schedule: its runs, those left out, and the last one.
    #[serde(deserialize_with = "number")]
    pub(super) runs: u64,
    #[serde(deserialize_with = "number")]
    pub(super) left_out: u64,
    pub(super) last_run: String,
    escalated: String,
    retried: String,
    #[serde(rename = "from", deserialize_with = "time")]
    pub(super) not_before_ms: Option<i64>,
    #[serde(rename = "deadline", deserialize_with = "time")]
    pub(super) deadline_ms: Option<i64>,
    #[serde(rename = "created", deserialize_with = "time")]
    pub(super) created_ms: Option<i64>,
    #[serde(rename = "ready", deserialize_with = "time")]
    pub(super) ready_ms: Option<i64>,
    #[serde(rename = "started", deserialize_with = "time")]
    pub(super) started_ms: Option<i64>,
    #[serde(rename = "reported", deserialize_with = "time")]
    pub(super) reported_ms: Option<i64>,
    #[serde(rename = "ended", deserialize_with = "time")]
    pub(super) ended_ms: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(super) progress: f64,
    #[serde(rename = "done", deserialize_with = "number")]
    pub(super) done_weight: f64,
    #[serde(rename = "all", deserialize_with = "number")]
    pub(super) whole_weight: f64,
    #[serde(rename = "input", deserialize_with = "number")]
    pub(super) input_tokens: u64,
    #[serde(rename = "output", deserialize_with = "number")]
    pub(super) output_tokens: u64,
    #[serde(rename = "cost", deserialize_with = "number")]
    pub(super) cost_usd: f64,
    /// `1` if more was spent than is known.
    least: String,
    /// How many subtasks it has, if it is a job with subtasks; below, how many of them are in each state.
    #[serde(rename = "total", deserialize_with = "count")]
    pub(super) subtasks: Option<u32>,
    #[serde(rename = "in1", deserialize_with = "number")]
    pub(super) pending: u32,
    #[serde(rename = "in2", deserialize_with = "number")]
    pub(super) delayed: u32,
    #[serde(rename = "in3", deserialize_with = "number")]
    pub(super) awaiting_approval: u32,
    #[serde(rename = "in4", deserialize_with = "number")]
    pub(super) ready: u32,
    #[serde(rename = "in5", deserialize_with = "number")]
    pub(super) running: u32,
    #[serde(rename = "in6", deserialize_with = "number")]
    pub(super) completed: u32,
    #[serde(rename = "in7", deserialize_with = "number")]
    pub(super) failed: u32,
    #[serde(rename = "in8", deserialize_with = "number")]
    pub(super) cancelled: u32,
}

impl Record {
    pub(super) fn state(&self) -> TaskState {
        TaskState::try_from(self.state_number).unwrap_or_default()
    }

    /// Whether more was spent than is known.
    pub(super) fn is_cost_incomplete(&self) -> bool {
        self.least == "1"
    }

    /// Whether it is a job with subtasks, which no worker runs.
    pub(super) fn has_subtasks(&self) -> bool {
        self.parts == "1"
    }

    /// Whether BullMQ's job can only be where the submission put it: it is SHIM's, and nothing happened to the task yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.job.is_empty()
            && self.started_ms.is_none()
            && self.escalated.is_empty()
            && self.retried.is_empty()
    }
}

/// Reads names and values in turn, as a hash in Redis is read.
pub(super) fn pairs<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(PairsVisitor(PhantomData))
}

struct PairsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names and values in turn")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Pairs(seq)))
    }
}

struct Pairs<A>(A);

impl<'de, A: SeqAccess<'de>> MapAccess<'de> for Pairs<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let value = self.0.next_element_seed(seed)?;
        value.ok_or_else(|| A::Error::custom("a name without a value"))
    }
}

/// A number that is stored as a text; what is none counts as 0.
fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + Default,
{
    Ok(parsed(deserializer)?.unwrap_or_default())
}

/// A time in milliseconds of Unix time; an empty text is none.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    parsed(deserializer)
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    parsed(deserializer)
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    deserializer.deserialize_str(ParsedVisitor(PhantomData))
}

struct ParsedVisitor<T>(PhantomData<T>);

impl<T: FromStr> Visitor<'_> for ParsedVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number as a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<T>, E> {
        Ok(text.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Deserialize)]
    struct Read {
        #[serde(deserialize_with = "pairs")]
        record: Record,
    }

    fn read(fields: &[&str]) -> Record {
        let packed = rmp_serde::to_vec(&(fields,)).unwrap();
        rmp_serde::from_slice::<Read>(&packed).unwrap().record
    }

    #[test]
    fn a_record_is_read_by_its_stored_names_and_unknown_ones_are_skipped() {
        let record = read(&[
            "state", "5", "most", "3", "unmet", "2", "lease", "12", "from", "",
        ]);
        assert_eq!(record.state(), TaskState::Running);
        assert_eq!((record.max_attempts, record.lease), (3, 12));
        assert_eq!((record.not_before_ms, record.deadline_ms), (None, None));
    }

    #[test]
    fn an_empty_record_is_of_no_state() {
        assert_eq!(read(&[]).state(), TaskState::Unspecified);
    }
}
