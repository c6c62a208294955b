//! Lua scripts: one per transition, each with the shared prelude, each atomic within one hash slot.
//!
//! A script answers `{status, packed fields}`, where the status is `OK` or the name of a refusal; [`super::reply`] reads
//! it. The script's first line says whether it may run on a full Redis: only one that writes nothing, or frees more than it
//! takes, may.

use redis::aio::ConnectionLike;
use redis::{FromRedisValue, RedisResult, ToRedisArgs, Value};
use serde::Serialize;

use super::msgpack;

/// The functions that every script may use.
const PRELUDE: &str = include_str!("lua/prelude.lua");

/// The line of a named script that reads its arguments.
const ARGUMENTS: &str = "local args = cmsgpack.unpack(ARGV[1])";

/// What a script may do (the flags of Redis 7, <https://redis.io/docs/latest/develop/programmability/eval-intro/>).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// Takes room; refused on a full Redis before it changes anything.
    Writes,
    /// Frees room; runs on a full Redis.
    Frees,
    /// Writes nothing.
    Reads,
}

/// A script, hashed once.
#[derive(Debug)]
pub(crate) struct Script(redis::Script);

impl Script {
    /// The script with the prelude before it.
    pub(crate) fn new(effect: Effect, body: &str) -> Self {
        let flags = match effect {
            Effect::Writes => "",
            Effect::Frees => " flags=allow-oom",
            Effect::Reads => " flags=no-writes",
        };
        Self(redis::Script::new(&format!(
            "#!lua{flags}\n{PRELUDE}\n{body}"
        )))
    }

    /// The script with the prelude before it, with named arguments and answers: it reads `args.name` and answers with
    /// `reply`. Each call passes its arguments with [`Call::args`]; `&()` if there are none.
    pub(crate) fn named(effect: Effect, body: &str) -> Self {
        Self::new(effect, &format!("{ARGUMENTS}\n{body}"))
    }

    /// Begins a call.
    pub(crate) fn call(&self) -> Call<'_> {
        Call(self.0.prepare_invoke())
    }
}

/// A call that is being built.
pub(crate) struct Call<'a>(redis::ScriptInvocation<'a>);

impl Call<'_> {
    /// Adds a key: `KEYS[i]`. All keys of a call share a hash tag.
    pub(crate) fn key(mut self, key: impl ToRedisArgs) -> Self {
        self.0.key(key);
        self
    }

    /// Adds the arguments of a script made by [`Script::named`]: a struct, whose fields are the names. The script sees nil
    /// for `None`. Lua's numbers are doubles: a version or token is passed as its decimal text
    /// ([`super::script_values::as_text`]), bytes with `serde_bytes`.
    pub(crate) fn args(mut self, args: &impl Serialize) -> Self {
        match msgpack::pack(args) {
            Ok(packed) => {
                self.0.arg(packed);
            }
            // The script then refuses to run.
            Err(error) => tracing::error!(%error, "arguments of a script cannot be packed"),
        }
        self
    }

    pub(super) async fn invoke(
        &self,
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<Value>> {
        let answer: Value = self.0.invoke_async(connection).await?;
        Ok(Vec::<Value>::from_redis_value(answer)?)
    }
}
