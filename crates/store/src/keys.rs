//! The names of all keys. The keys of one script share a hash tag, the part in braces, so a Redis Cluster keeps them in one
//! slot. The table in the crate's README documents these functions.

/// Builds keys below one prefix.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A namespace (or workspace): state, locks, file leases.
    pub(crate) fn namespace(&self, namespace: &str) -> Slot {
        Slot(format!("{}:{{ns:{namespace}}}:", self.prefix))
    }

    /// The inbox of a session or worker.
    pub(crate) fn inbox(&self, id: &str) -> Slot {
        Slot(format!("{}:{{inbox:{id}}}:", self.prefix))
    }

    /// The registry of workers, with the lock of its reaper.
    pub(crate) fn registry(&self) -> Slot {
        Slot(format!("{}:{{registry}}:", self.prefix))
    }

    /// All tasks. BullMQ's queues are below the same tag, so that one script may read both; the prefix of a queue may hold
    /// no colon.
    pub(crate) fn tasks(&self) -> Slot {
        Slot(format!("{{{}.tasks}}:", self.prefix.replace(':', ".")))
    }

    /// The list of namespaces and inboxes.
    pub(crate) fn places(&self) -> Slot {
        Slot(format!("{}:{{places}}:", self.prefix))
    }

    /// A channel of the bus, or a pattern of channels, by Redis's name.
    pub fn channel(&self, name: &str) -> String {
        format!("{}:bus:{name}", self.prefix)
    }

    /// The bus name of a channel, if the channel is below this prefix.
    pub(crate) fn channel_name<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(":bus:")
    }

    /// The record that a publication was made.
    pub(crate) fn publish_request_key(&self, request_id: &str) -> String {
        format!("{}:bus:did:{request_id}", self.prefix)
    }
}

/// The keys of one hash slot.
#[derive(Debug, Clone)]
pub struct Slot(String);

impl Slot {
    /// A key of the slot.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    /// The start of all its keys, without the colon: the prefix of BullMQ's queues.
    pub(crate) fn tag(&self) -> &str {
        self.0.trim_end_matches(':')
    }

    /// The key of one item of a kind.
    pub(crate) fn item(&self, kind: &str, name: &str) -> String {
        format!("{}{kind}:{name}", self.0)
    }

    /// The counter that versions and fencing tokens come from.
    pub(crate) fn clock(&self) -> String {
        self.key("clock")
    }

    /// A lock's record with its token.
    pub(crate) fn lock(&self, name: &str) -> String {
        self.item("lock", name)
    }

    /// The record of a request's answer.
    pub(crate) fn request_key(&self, request_id: &str) -> String {
        self.item("did", request_id)
    }
}
