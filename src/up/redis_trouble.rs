//! What can keep the private Redis from starting, and the one step that mends each kind of it.

/// In what is said of a trouble that Redis itself does not see.
pub(super) const WOULD_START: &str = "Redis would start without";

/// Why a Redis ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisTrouble {
    /// The last word of Redis itself.
    pub(crate) said: String,
    /// What it means.
    pub(crate) kind: TroubleKind,
}

impl RedisTrouble {
    /// What Redis does, and why.
    pub(crate) fn headline(&self) -> String {
        let does = if self.said.contains(WOULD_START) {
            "it is not started"
        } else {
            "it ends at each start"
        };
        format!("{does}: {}", self.said)
    }
}

/// Kinds of trouble that have a step of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// The append-only file holds something that is no command, at its end as a loss of power leaves it, or before.
    DamagedAppendOnlyFile,
    /// The manifest, which names the parts of the append-only file, is damaged or missing.
    DamagedManifest,
    /// The snapshot at the head of the append-only file is damaged.
    DamagedSnapshot,
    /// A part that the manifest names is not there.
    MissingPart,
    /// A folder stands in the place of a file.
    NotAFile,
    /// A newer Redis wrote the files.
    NewerRedis,
    /// The append-only file has a command that this Redis does not know.
    UnknownCommand,
    /// The disk has no room.
    DiskFull,
    /// A file may not be read or written.
    Permission,
    /// Anything else.
    Other,
}

const ONLY_A_BACKUP: &str = "only a backup helps: put its appendonlydir in the place of this one under `shim hold -- COMMAND`; \
                             or begin without the data by `shim doctor --new-redis`, which sets the files aside";

impl TroubleKind {
    /// The one step, in words for a terminal.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::DamagedAppendOnlyFile => {
                "run `shim doctor --fix`: it keeps a copy, cuts off what is no command, and tries a Redis on the rest"
            }
            Self::DamagedManifest => {
                "run `shim doctor --fix`: it keeps a copy, names the parts that are there anew, and tries a Redis on them"
            }
            Self::DamagedSnapshot | Self::MissingPart => ONLY_A_BACKUP,
            Self::NotAFile => {
                "move that folder away, out of appendonlydir, then run `shim doctor --fix`"
            }
            Self::NewerRedis => {
                "install the Redis that wrote it, or a newer one; without it, `shim doctor --new-redis` sets the files aside and begins without the data"
            }
            Self::UnknownCommand => {
                "install the Redis that wrote it, or a newer one; if this one did, the file is damaged: put appendonlydir of a backup in its place under `shim hold -- COMMAND`, or begin without the data by `shim doctor --new-redis`"
            }
            Self::DiskFull => "free space; it starts again by itself",
            Self::Permission => {
                "give the folder `redis` of the data folder and all in it back to yourself (`chown -R`, `chmod -R u+rwX`); it starts again by itself"
            }
            Self::Other => {
                "look into that log; if it does not help, `shim doctor --new-redis` sets the files aside and begins without the data"
            }
        }
    }
}
