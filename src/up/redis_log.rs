//! Why the private Redis does not start, as its log says it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::redis_files;
use super::redis_trouble::{RedisTrouble, TroubleKind};

/// The end of the log that is read: some starts of Redis.
const TAIL_BYTES: u64 = 16 * 1024;

/// Parts of Redis's messages, and what they mean. The first that one of the lines has decides: Redis says one trouble in
/// several lines, and the later ones are vaguer.
const KNOWN: [(&str, TroubleKind); 27] = [
    ("No space left on device", TroubleKind::DiskFull),
    ("Disk quota exceeded", TroubleKind::DiskFull),
    ("Permission denied", TroubleKind::Permission),
    ("Read-only file system", TroubleKind::Permission),
    ("Operation not permitted", TroubleKind::Permission),
    ("Is a directory", TroubleKind::NotAFile),
    // Letters in the place of the number are read as 0.
    (
        "Can't handle RDB format version 0",
        TroubleKind::DamagedSnapshot,
    ),
    ("Can't handle RDB format version", TroubleKind::NewerRedis),
    // The number of the format is checked before, so what is unknown behind it is no news but damage.
    (
        "Internal error in RDB reading",
        TroubleKind::DamagedSnapshot,
    ),
    ("Unknown RDB", TroubleKind::DamagedSnapshot),
    ("Wrong RDB checksum", TroubleKind::DamagedSnapshot),
    ("Short read or OOM loading DB", TroubleKind::DamagedSnapshot),
    (
        "Wrong signature trying to load DB",
        TroubleKind::DamagedSnapshot,
    ),
    ("Error reading the RDB", TroubleKind::DamagedSnapshot),
    ("Fatal error loading the DB", TroubleKind::DamagedSnapshot),
    (".base.rdb: make a backup", TroubleKind::DamagedSnapshot),
    ("Unable to obtain the AOF file", TroubleKind::MissingPart),
    ("AOF MANIFEST", TroubleKind::DamagedManifest),
    ("AOF manifest", TroubleKind::DamagedManifest),
    ("Unknown AOF file type", TroubleKind::DamagedManifest),
    ("Found duplicate", TroubleKind::DamagedManifest),
    ("Unknown command", TroubleKind::UnknownCommand),
    (
        "Bad file format reading the append only file",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    (
        "Unexpected end of file reading the append only file",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    ("No such file or directory", TroubleKind::MissingPart),
    (
        "Unrecoverable error reading the append only file",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    ("truncated", TroubleKind::DamagedAppendOnlyFile),
];

/// The log of the private Redis itself.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    redis_files::folder(data_dir).join("redis.log")
}

/// Why the private Redis of a data folder does not run, if its files or its log tell. Only right while no Redis answers.
pub(crate) fn last_trouble(data_dir: &Path) -> Option<RedisTrouble> {
    redis_files::silent_loss(&redis_files::append_only(data_dir))
        .or_else(|| said_in(&path(data_dir)))
}

/// Why a Redis with this log ended the last time.
pub(crate) fn said_in(log: &Path) -> Option<RedisTrouble> {
    let mut file = File::open(log).ok()?;
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
    let known = KNOWN.iter().find_map(|(part, kind)| {
        let line = of_last_start.iter().rev().find(|line| line.contains(part));
        line.map(|line| (*line, *kind))
    });
    let (said, kind) = known.unwrap_or((*said, TroubleKind::Other));
    let said = closing_line(of_last_start, said);
    let is_setup = kind == TroubleKind::Other
        && [
            "Configuration loaded",
            "Server initialized",
            "WARNING",
            "Memory overcommit",
            "Redis version=",
        ]
        .iter()
        .any(|part| said.starts_with(part) || said.contains("is starting"));
    (!is_setup).then(|| RedisTrouble {
        said: said.to_owned(),
        kind,
    })
}

/// Redis puts a headline above what is wrong with its manifest.
fn closing_line<'a>(lines: &[&'a str], said: &'a str) -> &'a str {
    let is_headline = said.is_empty() || said.starts_with("***");
    let last = lines.iter().rev().find(|line| !line.is_empty());
    last.filter(|_| is_headline).map_or(said, |last| *last)
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
mod tests;
