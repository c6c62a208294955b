//! Why the private Redis does not start, in Redis's own words, and the one step that mends it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The end of the log that is read: some starts of Redis.
const TAIL_BYTES: u64 = 16 * 1024;

/// Why a Redis ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisTrouble {
    /// The last word of Redis itself.
    pub(crate) said: String,
    /// What it means.
    pub(crate) kind: TroubleKind,
}

/// Kinds of trouble that have a step of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// The end of the append-only file is no command, as a loss of power leaves it.
    DamagedAppendOnlyFile,
    /// The snapshot at the head of the append-only file, or another file of it, is damaged or missing.
    DamagedSnapshot,
    /// A newer Redis wrote the files.
    NewerRedis,
    /// The disk has no room.
    DiskFull,
    /// A file may not be read or written.
    Permission,
    /// Anything else.
    Other,
}

/// Parts of Redis's messages, and what they mean. The first that fits decides.
const KNOWN: [(&str, TroubleKind); 17] = [
    ("No space left on device", TroubleKind::DiskFull),
    ("Disk quota exceeded", TroubleKind::DiskFull),
    ("Permission denied", TroubleKind::Permission),
    ("Read-only file system", TroubleKind::Permission),
    ("Operation not permitted", TroubleKind::Permission),
    ("Can't handle RDB format version", TroubleKind::NewerRedis),
    ("Unknown RDB", TroubleKind::NewerRedis),
    (
        "Bad file format reading the append only file",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    (
        "Unexpected end of file reading the append only file",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    (
        "Unrecoverable error reading the append only file",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    ("truncated", TroubleKind::DamagedAppendOnlyFile),
    (
        "Error reading the RDB preamble",
        TroubleKind::DamagedSnapshot,
    ),
    ("Short read or OOM loading DB", TroubleKind::DamagedSnapshot),
    (
        "Wrong signature trying to load DB",
        TroubleKind::DamagedSnapshot,
    ),
    (
        "Internal error in RDB reading",
        TroubleKind::DamagedSnapshot,
    ),
    ("Invalid AOF manifest", TroubleKind::DamagedSnapshot),
    ("Fatal error loading the DB", TroubleKind::DamagedSnapshot),
];

impl TroubleKind {
    /// The one step, in words for a terminal.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::DamagedAppendOnlyFile => {
                "run `shim doctor --fix`: it keeps a copy and cuts off what is no command"
            }
            Self::DamagedSnapshot => {
                "put a copy of appendonlydir from your backup in its place under `shim hold -- COMMAND`, or move it away to begin with an empty Redis"
            }
            Self::NewerRedis => "install the Redis that wrote it, or a newer one",
            Self::DiskFull => "free space; it starts again by itself",
            Self::Permission => {
                "give the files in that folder back to yourself with chown and chmod"
            }
            Self::Other => "its log says more",
        }
    }
}

/// Where the private Redis of a data folder keeps its files.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("redis")
}

/// The log of the private Redis itself.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    folder(data_dir).join("redis.log")
}

/// Why the private Redis of a data folder ended the last time, if its log tells. Only right while no Redis answers.
pub(crate) fn last_trouble(data_dir: &Path) -> Option<RedisTrouble> {
    let mut file = File::open(path(data_dir)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))
        .ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    judge(&String::from_utf8_lossy(&tail))
}

/// A line is `PID:ROLE DAY MONTH YEAR TIME LEVEL MESSAGE`. A start says nothing at this level, or only how Redis is set up.
fn judge(log: &str) -> Option<RedisTrouble> {
    let messages: Vec<&str> = log.lines().filter_map(message).collect();
    let said = messages.last()?;
    // The lines of the last start: Redis says the reason first, and then that it leaves.
    let since_start = messages
        .iter()
        .rposition(|line| line.starts_with("Server initialized") || line.contains("is starting"))
        .map_or(0, |start| start + 1);
    let of_last_start = &messages[since_start.min(messages.len() - 1)..];
    let known = of_last_start.iter().rev().find_map(|line| {
        let found = KNOWN.iter().find(|(part, _)| line.contains(part));
        found.map(|(_, kind)| (*line, *kind))
    });
    let (said, kind) = known.unwrap_or((*said, TroubleKind::Other));
    let is_setup = kind == TroubleKind::Other
        && [
            "Configuration loaded",
            "Server initialized",
            "WARNING",
            "Redis version=",
        ]
        .iter()
        .any(|part| said.starts_with(part) || said.contains("is starting"));
    (!is_setup).then(|| RedisTrouble {
        said: said.to_owned(),
        kind,
    })
}

/// The message of a line: what stands behind its level.
fn message(line: &str) -> Option<&str> {
    let (head, message) = [" # ", " * ", " - ", " . "]
        .iter()
        .filter_map(|level| line.split_once(level))
        .min_by_key(|(head, _)| head.len())?;
    let is_head = head.contains(':') && head.starts_with(|c: char| c.is_ascii_digit());
    is_head.then(|| message.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_and_its_kind_are_read_from_the_last_start() {
        let start = "7:C 30 Nov 2026 15:00:00.001 # Configuration loaded\n7:M 30 Nov 2026 15:00:00.002 # Server initialized\n";
        for (line, kind) in [
            (
                "# Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>",
                TroubleKind::DamagedAppendOnlyFile,
            ),
            (
                "# Can't open the append-only file: Permission denied",
                TroubleKind::Permission,
            ),
            (
                "# Error writing to the AOF file: No space left on device",
                TroubleKind::DiskFull,
            ),
            (
                "# Can't handle RDB format version 12",
                TroubleKind::NewerRedis,
            ),
            (
                "# Wrong signature trying to load DB from file",
                TroubleKind::DamagedSnapshot,
            ),
            ("# Something new", TroubleKind::Other),
        ] {
            let log = format!("{start}7:M 30 Nov 2026 15:00:00.003 {line}\n");
            let trouble = judge(&log);
            assert_eq!(trouble.as_ref().map(|it| it.kind), Some(kind), "{line}");
            assert_eq!(trouble.map(|it| it.said), Some(line[2..].to_owned()));
            assert_eq!(judge(&(log + start)), None, "it starts again");
        }
        assert_eq!(judge(""), None);
        assert_eq!(judge("no line of Redis"), None);
    }

    #[test]
    fn what_redis_says_when_it_leaves_does_not_hide_the_reason() {
        let log = "1:M 30 Nov 2026 15:00:00.001 # Error writing to the AOF file: No space left on device\n\
                   1:M 30 Nov 2026 15:00:00.002 # Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...\n";
        assert_eq!(judge(log).map(|it| it.kind), Some(TroubleKind::DiskFull));
    }
}
