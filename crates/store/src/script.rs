//! Lua scripts: one per transition, each with the shared prelude, each atomic within one hash slot.
//!
//! A script answers an array whose first item is `OK` or the name of a refusal. The first line says whether the script
//! may run on a full Redis: only one that writes nothing, or frees more than it takes, may.

use redis::{FromRedisValue, RedisResult, ToRedisArgs, Value};
use serde::Serialize;

use super::connection::LiveConnection;
use super::msgpack;

/// What every script starts with.
const PRELUDE: &str = include_str!("lua/prelude.lua");

/// How a script with named arguments reads them.
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

    /// The script with the prelude before it, whose arguments and answers have names: it reads `args.name`, and answers
    /// with `reply`.
    pub(crate) fn named(effect: Effect, body: &str) -> Self {
        Self::new(effect, &format!("{ARGUMENTS}\n{body}"))
    }

    /// Begins a call.
    pub(crate) fn call(&self) -> Call<'_> {
        Call(self.0.prepare_invoke())
    }
}

/// A call in the making.
pub(crate) struct Call<'a>(redis::ScriptInvocation<'a>);

impl Call<'_> {
    /// Adds a key: `KEYS[i]`. All keys of a call share a hash tag.
    pub(crate) fn key(mut self, key: impl ToRedisArgs) -> Self {
        self.0.key(key);
        self
    }

    /// Adds an argument: `ARGV[i]`.
    pub(crate) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.0.arg(arg);
        self
    }

    /// Adds the arguments of a script made by [`Script::named`]: a struct, whose fields are the names. `None` is left out,
    /// so that the script sees nil.
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

    pub(super) async fn invoke(&self, connection: &mut LiveConnection) -> RedisResult<Vec<Value>> {
        let answer: Value = self.0.invoke_async(connection).await?;
        Ok(Vec::<Value>::from_redis_value(answer)?)
    }
}
