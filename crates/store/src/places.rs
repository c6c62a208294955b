//! The namespaces and inboxes that there are, which are bounded in all and by the caller that was the first to use each.
//!
//! Each is in a slot of its own, so a list of them is kept in another slot: it is asked before the first write of a process to
//! a place, and noted after it, so a refused write leaves nothing there. Places that hold nothing give way to new ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shim_proto::limits::coordination::{
    MAX_CALLER_INBOXES, MAX_CALLER_NAMESPACES, MAX_INBOXES, MAX_NAMESPACES,
};

use crate::clock::millis;
use crate::connection::RedisConnection;
use crate::error::Error;
use crate::keys::{Keys, Slot};
use crate::script::{Effect, Script};

/// How long a process remembers that it noted a place.
const NOTED_FOR: Duration = Duration::from_secs(600);
/// Places that a process remembers.
const MAX_NOTED: usize = 10_000;
/// A place that nobody wrote to for longer has ended by itself: the bookkeeping of a namespace, the messages of an inbox.
const NAMESPACE_TTL: Duration = Duration::from_secs(62 * 24 * 3_600);
const INBOX_TTL: Duration = Duration::from_secs(8 * 24 * 3_600);
/// Places looked at, the longest unused first, for one that holds nothing.
const LOOKED_AT: usize = 20;

/// What there may be many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// State, locks and files of a workspace.
    Namespace,
    /// Messages to a session or worker.
    Inbox,
}

impl PlaceKind {
    fn word(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Inbox => "inboxes",
        }
    }

    /// How many there may be, and how many of one caller.
    fn limits(self) -> (usize, usize) {
        match self {
            Self::Namespace => (MAX_NAMESPACES, MAX_CALLER_NAMESPACES),
            Self::Inbox => (MAX_INBOXES, MAX_CALLER_INBOXES),
        }
    }

    fn ttl(self) -> Duration {
        match self {
            Self::Namespace => NAMESPACE_TTL,
            Self::Inbox => INBOX_TTL,
        }
    }
}

/// The list of places. Clones share what they remember.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    connection: RedisConnection,
    keys: Keys,
    check: Script,
    note: Script,
    remove: Script,
    clear_namespace: Script,
    clear_inbox: Script,
    noted: Mutex<HashMap<(PlaceKind, String), Instant>>,
}

/// A place that may be written to; [`AdmittedPlace::note`] follows the write.
pub struct AdmittedPlace {
    places: Places,
    kind: PlaceKind,
    name: String,
    caller: String,
    is_noted: bool,
}

#[derive(Serialize)]
struct PlaceArgs<'a> {
    slot: String,
    kind: &'static str,
    name: &'a str,
    caller: &'a str,
    max: usize,
    max_of_caller: usize,
    ttl_ms: u64,
    looked_at: usize,
}

#[derive(Deserialize)]
struct FullFields {
    held: u64,
    max: u64,
    caller: String,
    oldest: Vec<String>,
}

#[derive(Deserialize)]
struct ClearedFields {
    is_empty: bool,
}

impl Places {
    pub(crate) fn new(connection: RedisConnection, keys: Keys) -> Self {
        use Effect::{Frees, Reads};
        Self(Arc::new(Shared {
            connection,
            keys,
            check: Script::named(Reads, include_str!("lua/places/check.lua")),
            note: Script::named(Frees, include_str!("lua/places/note.lua")),
            remove: Script::named(Frees, include_str!("lua/places/remove.lua")),
            clear_namespace: Script::named(Frees, include_str!("lua/places/clear_namespace.lua")),
            clear_inbox: Script::named(Frees, include_str!("lua/places/clear_inbox.lua")),
            noted: Mutex::default(),
        }))
    }

    /// Lets a caller write to a place, if it is known or there is room for one more.
    ///
    /// # Errors
    /// `TooManyPlaces`, or as the store fails.
    pub async fn admit(
        &self,
        kind: PlaceKind,
        name: &str,
        caller: &str,
    ) -> Result<AdmittedPlace, Error> {
        let place = AdmittedPlace {
            places: self.clone(),
            kind,
            name: name.to_owned(),
            caller: caller.to_owned(),
            is_noted: self.is_noted(kind, name),
        };
        if place.is_noted {
            return Ok(place);
        }
        if let Some(full) = self.check(&place).await? {
            let is_room = self.make_room(kind, &full.oldest).await?;
            let full = if is_room {
                self.check(&place).await?
            } else {
                Some(full)
            };
            if let Some(full) = full {
                return Err(Error::TooManyPlaces {
                    what: kind.word(),
                    held: full.held,
                    max: full.max,
                    caller: full.caller,
                });
            }
        }
        Ok(place)
    }

    async fn check(&self, place: &AdmittedPlace) -> Result<Option<FullFields>, Error> {
        let call = self.0.check.call().key(self.slot().clock());
        let call = call.args(&self.args(place));
        let mut reply = self.0.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => Ok(None),
            _ => reply.fields().map(Some),
        }
    }

    /// Forgets places that hold nothing; whether there was one.
    async fn make_room(&self, kind: PlaceKind, oldest: &[String]) -> Result<bool, Error> {
        let mut is_room = false;
        for name in oldest {
            if !self.clear(kind, name).await? {
                continue;
            }
            is_room = true;
            let place = AdmittedPlace {
                places: self.clone(),
                kind,
                name: name.clone(),
                caller: String::new(),
                is_noted: false,
            };
            let call = self.0.remove.call().key(self.slot().clock());
            let call = call.args(&self.args(&place));
            self.0.connection.call(&call).await?.status()?;
        }
        Ok(is_room)
    }

    /// Removes what is left of a place that holds nothing; whether it holds nothing.
    async fn clear(&self, kind: PlaceKind, name: &str) -> Result<bool, Error> {
        let (script, slot) = match kind {
            PlaceKind::Namespace => (&self.0.clear_namespace, self.0.keys.namespace(name)),
            PlaceKind::Inbox => (&self.0.clear_inbox, self.0.keys.inbox(name)),
        };
        #[derive(Serialize)]
        struct ClearArgs {
            slot: String,
        }
        let call = script.call().key(slot.clock());
        let call = call.args(&ClearArgs { slot: slot.key("") });
        let mut reply = self.0.connection.call(&call).await?;
        reply.status()?;
        Ok(reply.fields::<ClearedFields>()?.is_empty)
    }

    fn slot(&self) -> Slot {
        self.0.keys.places()
    }

    fn args<'a>(&self, place: &'a AdmittedPlace) -> PlaceArgs<'a> {
        let (max, max_of_caller) = place.kind.limits();
        PlaceArgs {
            slot: self.slot().key(""),
            kind: place.kind.word(),
            name: &place.name,
            caller: &place.caller,
            max,
            max_of_caller,
            ttl_ms: millis(place.kind.ttl()),
            looked_at: LOOKED_AT,
        }
    }

    fn is_noted(&self, kind: PlaceKind, name: &str) -> bool {
        let noted = self.noted();
        let at = noted.get(&(kind, name.to_owned()));
        at.is_some_and(|at| at.elapsed() < NOTED_FOR)
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<(PlaceKind, String), Instant>> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmittedPlace {
    /// Notes that the place is used. If that fails, the next write notes it.
    pub async fn note(self) {
        if self.is_noted {
            return;
        }
        let places = &self.places;
        let call = places.0.note.call().key(places.slot().clock());
        let call = call.args(&places.args(&self));
        if let Err(error) = places.0.connection.call(&call).await {
            tracing::debug!(%error, place = self.name, "not noted yet");
            return;
        }
        let mut noted = places.noted();
        if noted.len() >= MAX_NOTED {
            noted.clear();
        }
        noted.insert((self.kind, self.name.clone()), Instant::now());
    }
}
