//! The rules of this service's messages, on top of the shared rules of single fields. A rule returns the typed value.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1 as proto;
use shim_proto::limits::coordination::{
    DEFAULT_FILES_TTL, DEFAULT_LOCK_TTL, DEFAULT_STATE_TTL, FILES_TTL, LOCK_TTL, MAX_KEY_BYTES,
    MAX_NAME_BYTES, STATE_TTL,
};
use shim_proto::limits::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_VERSION, MAX_WAIT};
use shim_runtime::fields::Fields as SharedFields;
use shim_runtime::ids::FencingToken;
use shim_runtime::workspace;
use shim_store::Fence;
use tonic::Status;

/// The namespace of a request that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// The shared rules and those of this service's messages.
#[derive(Debug, Default)]
pub(super) struct Fields(SharedFields);

impl Deref for Fields {
    type Target = SharedFields;

    fn deref(&self) -> &SharedFields {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut SharedFields {
        &mut self.0
    }
}

/// Whether a request named its namespace by another spelling than the one that is kept.
pub(super) fn is_other_spelling(asked: &str, namespace: &str) -> bool {
    !asked.is_empty() && asked != namespace
}

impl Fields {
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub(super) fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    /// A namespace or workspace; an empty text means the default one. A path is one namespace, however it is spelled.
    pub(super) fn namespace(&mut self, field: &str, name: &str) -> String {
        if name.is_empty() {
            return DEFAULT_NAMESPACE.to_owned();
        }
        self.name(field, name, MAX_NAME_BYTES);
        workspace::namespace(name)
    }

    /// A name of visible characters: an entry's key, a lock's name.
    pub(super) fn key(&mut self, field: &str, key: &str) {
        self.required(field, key, MAX_KEY_BYTES);
        self.no_controls(field, key);
    }

    /// The beginning of a key; may be empty.
    pub(super) fn key_prefix(&mut self, field: &str, prefix: &str) {
        self.text(field, prefix, MAX_KEY_BYTES);
        self.no_controls(field, prefix);
    }

    /// A text without line breaks and control characters; NUL is refused by [`SharedFields::text`].
    pub(super) fn no_controls(&mut self, field: impl Into<String>, text: &str) {
        let field: String = field.into();
        self.no_breaks(field, text);
    }

    /// A version, epoch or token.
    pub(super) fn version(&mut self, field: &str, version: u64) {
        self.at_most(field, version, MAX_VERSION);
    }

    /// The fencing token of a lock; required.
    pub(super) fn token(&mut self, field: &str, token: u64) -> FencingToken {
        if token == 0 {
            self.refuse(
                field,
                "is missing; use the one from the answer to the acquisition",
            );
        }
        self.version(field, token);
        FencingToken(token)
    }

    /// Proof of a held lock; may be absent.
    pub(super) fn fence(&mut self, fence: Option<&proto::Fence>) -> Option<Fence> {
        let fence = fence?;
        self.key("fence.lock", &fence.lock);
        let token = self.token("fence.token", fence.token);
        let lock = fence.lock.clone();
        Some(Fence { lock, token })
    }

    /// How long a call waits; an absent span means not at all.
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
    pub(super) fn state_ttl(&mut self, ttl: Option<&ProtoDuration>) -> Duration {
        self.duration("ttl", ttl, DEFAULT_STATE_TTL, STATE_TTL)
    }

    /// The entries of a page.
    pub(super) fn page(&mut self, page_size: i32) -> u32 {
        self.page_size("page_size", page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    }

    /// A page token that [`page_token`] made: the name after which the page begins; `None` for the first page.
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

/// The page token of the page after a name: the name in hex, opaque to clients. Empty after the last page.
pub(super) fn page_token(name: Option<&str>) -> String {
    name.unwrap_or_default()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
