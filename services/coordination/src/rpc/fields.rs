//! The rules of this service's messages, on top of the shared rules of single fields.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::Fence;
use shim_proto::limits::coordination::{
    DEFAULT_FILES_TTL, DEFAULT_LOCK_TTL, FILES_TTL, LOCK_TTL, MAX_KEY_BYTES, MAX_NAME_BYTES,
    STATE_TTL,
};
pub(super) use shim_proto::limits::coordination::{MAX_ACTOR_BYTES, MAX_PURPOSE_BYTES};
use shim_proto::limits::{MAX_VERSION, MAX_WAIT};
use shim_runtime::fields::Fields as Shared;
use tonic::Status;

/// A namespace when none is given.
const DEFAULT_NAMESPACE: &str = "default";

/// The shared rules and those of this service's messages.
#[derive(Debug, Default)]
pub(super) struct Fields(Shared);

impl Deref for Fields {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut Shared {
        &mut self.0
    }
}

impl Fields {
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub(super) fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    /// A namespace or workspace; an empty one is the default one.
    pub(super) fn namespace(&mut self, field: &str, name: &str) -> String {
        if name.is_empty() {
            return DEFAULT_NAMESPACE.to_owned();
        }
        self.name(field, name, MAX_NAME_BYTES);
        name.to_owned()
    }

    /// A name of any visible characters: an entry's key, a lock's name.
    pub(super) fn key(&mut self, field: &str, key: &str) {
        self.required(field, key, MAX_KEY_BYTES);
        self.no_controls(field, key);
    }

    /// The beginning of a key, or nothing.
    pub(super) fn key_prefix(&mut self, field: &str, prefix: &str) {
        self.text(field, prefix, MAX_KEY_BYTES);
        self.no_controls(field, prefix);
    }

    pub(super) fn no_controls(&mut self, field: impl Into<String>, text: &str) {
        if text.chars().any(|c| c.is_control() && c != '\0') {
            self.refuse(field, "holds a control character, which is not allowed");
        }
    }

    /// A version or token.
    pub(super) fn version(&mut self, field: &str, version: u64) {
        self.at_most(field, version, MAX_VERSION);
    }

    /// The token of something that is held.
    pub(super) fn token(&mut self, field: &str, token: u64) {
        if token == 0 {
            self.refuse(
                field,
                "is missing; use the one from the answer to the acquisition",
            );
        }
        self.version(field, token);
    }

    /// Proof of a lock, or nothing.
    pub(super) fn fence(&mut self, fence: Option<&Fence>) {
        let Some(fence) = fence else { return };
        self.key("fence.lock", &fence.lock);
        self.token("fence.token", fence.token);
    }

    /// How long to wait; not at all if absent.
    pub(super) fn wait(&mut self, wait: Option<&ProtoDuration>) -> Duration {
        self.duration("wait", wait, Duration::ZERO, Duration::ZERO..=MAX_WAIT)
    }

    /// How long a lock is held without renewal.
    pub(super) fn lock_ttl(&mut self, ttl: Option<&ProtoDuration>) -> Duration {
        self.duration("ttl", ttl, DEFAULT_LOCK_TTL, LOCK_TTL)
    }

    /// How long files are leased without renewal.
    pub(super) fn files_ttl(&mut self, ttl: Option<&ProtoDuration>) -> Duration {
        self.duration("ttl", ttl, DEFAULT_FILES_TTL, FILES_TTL)
    }

    /// How long an entry is kept.
    pub(super) fn state_ttl(&mut self, ttl: Option<&ProtoDuration>, default: Duration) -> Duration {
        self.duration("ttl", ttl, default, STATE_TTL)
    }

    /// A page token that is a name of the store's, in hex: opaque to clients.
    pub(super) fn name_token(&mut self, token: &str) -> Option<String> {
        if token.is_empty() {
            return None;
        }
        let name = token
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect::<Option<Vec<u8>>>()
            .filter(|name| token.len().is_multiple_of(2) && name.len() <= MAX_KEY_BYTES)
            .and_then(|name| String::from_utf8(name).ok());
        if name.is_none() {
            self.refuse_page_token();
        }
        name
    }
}

/// The page token that [`Fields::name_token`] reads.
pub(super) fn page_token(name: Option<&str>) -> String {
    name.unwrap_or_default()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
