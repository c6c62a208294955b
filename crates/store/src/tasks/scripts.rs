//! The scripts of tasks, and how they are called: one map of named arguments in, one map of named fields out.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::metrics::count_committed;
use super::outbox_entries::OutboxEntries;
use crate::clock::millis;
use crate::connection::RedisConnection;
use crate::error::Error;
use crate::idempotency::{IdempotencyKey, REQUEST_ID_TTL};
use crate::keys::{Keys, Slot};
use crate::reply::Reply;
use crate::script::{Effect, Script};

/// The bus channels of jobs begin with it; the id of the root follows.
const CHANNELS: &str = "task:";

/// A script of tasks, with what they all share.
pub(super) fn script(effect: Effect, body: &str) -> Script {
    let shared = include_str!("../lua/tasks/shared.lua");
    let queues = include_str!("../lua/tasks/queues.lua");
    let lineage = include_str!("../lua/tasks/lineage.lua");
    let body = format!(
        "{shared}\n{queues}\n{lineage}\nlocal function decide()\n{body}\nend\nreturn respond(decide())"
    );
    Script::named(effect, &body)
}

/// Calls scripts over the slot of all tasks. Clones are alike.
#[derive(Clone)]
pub(super) struct ScriptRunner {
    pub(super) connection: RedisConnection,
    pub(super) slot: Slot,
    slot_prefix: String,
    channels: String,
}

/// What every script of tasks reads, beside its own arguments.
#[derive(Serialize)]
struct CallArgs<'a, A> {
    slot: &'a str,
    channels: &'a str,
    request: Option<RequestArgs<'a>>,
    #[serde(flatten)]
    own: &'a A,
}

/// What makes a call have one effect.
#[derive(Serialize)]
struct RequestArgs<'a> {
    key: String,
    fingerprint: &'a str,
    keep_ms: u64,
}

impl ScriptRunner {
    pub(super) fn new(connection: RedisConnection, keys: &Keys) -> Self {
        let slot = keys.tasks();
        Self {
            connection,
            slot_prefix: slot.key(""),
            slot,
            channels: keys.channel(CHANNELS),
        }
    }

    /// The channel that wakes the watchers of a job, by Redis's name.
    pub(super) fn channel(&self, root_id: &str) -> String {
        format!("{}{root_id}", self.channels)
    }

    /// Runs a script.
    ///
    /// # Errors
    /// As the store fails; the script's own refusals are the answer's status.
    pub(super) async fn run(
        &self,
        script: &Script,
        args: &impl Serialize,
    ) -> Result<ScriptAnswer, Error> {
        self.run_for(script, None, args).await
    }

    /// Runs a script that has one effect for a request, if there is one.
    ///
    /// # Errors
    /// As [`ScriptRunner::run`].
    pub(super) async fn run_for(
        &self,
        script: &Script,
        idempotency_key: Option<&IdempotencyKey>,
        args: &impl Serialize,
    ) -> Result<ScriptAnswer, Error> {
        let args = CallArgs {
            slot: &self.slot_prefix,
            channels: &self.channels,
            request: idempotency_key.map(|idempotency_key| RequestArgs {
                key: self.slot.request_key(&idempotency_key.request_id),
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
            }),
            own: args,
        };
        let call = script.call().key(self.slot.clock()).args(&args);
        let mut reply = self.connection.call(&call).await?;
        Ok(ScriptAnswer {
            status: reply.status()?,
            reply,
        })
    }
}

/// The answer of a script: `OK` with a decision, or a refusal with fields of its own.
pub(super) struct ScriptAnswer {
    status: String,
    reply: Reply,
}

/// What a script decided.
#[derive(Deserialize)]
pub(super) struct Decision<T> {
    decided_us: u64,
    outbox: Vec<String>,
    counts: Vec<(String, u64)>,
    answer: T,
}

impl ScriptAnswer {
    pub(super) fn status(&self) -> &str {
        &self.status
    }

    /// Whether an earlier request of the same id had the effect, and this one has none.
    pub(super) fn is_repeated(&self) -> bool {
        self.reply.is_repeated()
    }

    /// What the script decided: what the outbox got, and the script's own fields. Counts in metrics what the script
    /// committed.
    ///
    /// # Errors
    /// `Defect` if the answer is something else.
    pub(super) fn decision<T: DeserializeOwned>(&mut self) -> Result<(OutboxEntries, T), Error> {
        let decision: Decision<T> = self.reply.fields()?;
        count_committed(&decision.counts);
        let entries = OutboxEntries {
            decided_us: decision.decided_us,
            items: decision.outbox,
        };
        Ok((entries, decision.answer))
    }

    /// The decision of a script that cannot refuse.
    ///
    /// # Errors
    /// As [`Answer::decision`].
    pub(super) fn unrefused<T: DeserializeOwned>(mut self) -> Result<(OutboxEntries, T), Error> {
        if self.status != "OK" {
            tracing::error!(status = self.status, "a script refused in an unknown way");
            return Err(Error::Defect);
        }
        self.decision()
    }

    /// The fields of a refusal, or of an answer that decided nothing.
    ///
    /// # Errors
    /// `Defect` if the answer is something else.
    pub(super) fn fields<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        self.reply.fields()
    }
}
