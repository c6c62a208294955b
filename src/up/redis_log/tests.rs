//! What Redis says about each damage.

use super::*;

const START: &str = "7:C 30 Nov 2026 15:00:00.001 # Configuration loaded\n7:M 30 Nov 2026 15:00:00.002 # Server initialized\n";

/// What Redis 7.0.15 says about each damage, in its words, and what decides.
const SAID: [(&[&str], &str, TroubleKind); 22] = [
    (
        &[
            "Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>",
        ],
        "Bad file format",
        TroubleKind::DamagedAppendOnlyFile,
    ),
    (
        &[
            "Bad file format reading the append only file appendonly.aof.2.base.rdb: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>",
        ],
        "Bad file format",
        TroubleKind::DamagedSnapshot,
    ),
    (
        &[
            "Short read or OOM loading DB. Unrecoverable error, aborting now.",
            "Internal error in RDB reading offset 0, function at rdb.c:3249 -> Unexpected EOF reading RDB file",
        ],
        "Internal error in RDB",
        TroubleKind::DamagedSnapshot,
    ),
    (
        &[
            "Internal error in RDB reading offset 0, function at rdb.c:413 -> Invalid LZF compressed string",
        ],
        "Internal error",
        TroubleKind::DamagedSnapshot,
    ),
    (
        &[
            "Wrong RDB checksum expected: (ec6d) but got (ddee). Aborting now.",
            "Internal error in RDB reading offset 0, function at rdb.c:3225 -> RDB CRC error",
        ],
        "Internal error",
        TroubleKind::DamagedSnapshot,
    ),
    (
        &[
            "Internal error in RDB reading offset 0, function at rdb.c:2681 -> Unknown RDB encoding type 243",
        ],
        "Internal error",
        TroubleKind::DamagedSnapshot,
    ),
    (
        &[
            "Can't handle RDB format version 99",
            "Error reading the RDB base file appendonly.aof.2.base.rdb, AOF loading aborted",
            "Unrecoverable error reading the append only file appendonly.aof.2.base.rdb: Invalid argument",
        ],
        "Can't handle RDB format version 99",
        TroubleKind::NewerRedis,
    ),
    (
        &["Can't handle RDB format version 12"],
        "Can't handle",
        TroubleKind::NewerRedis,
    ),
    (
        &[
            "Can't handle RDB format version 0",
            "Unrecoverable error reading the append only file appendonly.aof.2.base.rdb: Invalid argument",
        ],
        "Can't handle",
        TroubleKind::DamagedSnapshot,
    ),
    (
        &[
            "Unable to obtain the AOF file appendonly.aof.2.base.rdb length. stat: No such file or directory",
        ],
        "Unable to obtain",
        TroubleKind::MissingPart,
    ),
    (
        &[
            "\n*** FATAL AOF MANIFEST FILE ERROR ***\n",
            "Found an empty AOF manifest\n",
        ],
        "Found an empty AOF manifest",
        TroubleKind::DamagedManifest,
    ),
    (
        &[
            "\n*** FATAL AOF MANIFEST FILE ERROR ***\n",
            "The AOF manifest file contains too long line\n",
        ],
        "The AOF manifest file",
        TroubleKind::DamagedManifest,
    ),
    (
        &[
            "\n*** FATAL AOF MANIFEST FILE ERROR ***\n",
            "Reading the manifest file, at line 2\n",
            ">>> 'file appendonly.aof.2.incr.aof seq 2 type x'\n",
            "Unknown AOF file type\n",
        ],
        "Unknown AOF file type",
        TroubleKind::DamagedManifest,
    ),
    (
        &[
            "Reading the manifest file, at line 3\n",
            ">>> 'junk'\n",
            "Invalid AOF manifest file format\n",
        ],
        "Invalid AOF manifest",
        TroubleKind::DamagedManifest,
    ),
    (
        &[
            "Reading the manifest file, at line 3\n",
            "Found duplicate base file information\n",
        ],
        "Found duplicate",
        TroubleKind::DamagedManifest,
    ),
    (
        &[
            "Error trying to rename the temporary AOF manifest file temp-appendonly.aof.manifest into appendonly.aof.manifest: Is a directory",
        ],
        "Error trying",
        TroubleKind::NotAFile,
    ),
    (
        &[
            "Unrecoverable error reading the append only file appendonly.aof.2.incr.aof: Is a directory",
        ],
        "Unrecoverable",
        TroubleKind::NotAFile,
    ),
    (
        &["Unknown command 'SXT' reading the append only file appendonly.aof.2.incr.aof"],
        "Unknown command",
        TroubleKind::UnknownCommand,
    ),
    (
        &["Can't open the append-only file: Permission denied"],
        "Can't open",
        TroubleKind::Permission,
    ),
    (
        &[
            "Unrecoverable error reading the append only file appendonly.aof.1.incr.aof: Permission denied",
        ],
        "Unrecoverable",
        TroubleKind::Permission,
    ),
    (
        &["Error writing to the AOF file: No space left on device"],
        "Error writing",
        TroubleKind::DiskFull,
    ),
    (&["Something new"], "Something new", TroubleKind::Other),
];

#[test]
fn the_reason_and_its_kind_are_read_from_the_last_start() {
    for (lines, said, kind) in SAID {
        let head = "7:M 30 Nov 2026 15:00:00.003 # ";
        let lines: String = lines.iter().map(|line| format!("{head}{line}\n")).collect();
        let log = format!("{START}{lines}");
        let trouble = judge(&log);
        assert_eq!(trouble.as_ref().map(|it| it.kind), Some(kind), "{lines}");
        let found = trouble.map(|it| it.said).unwrap_or_default();
        assert!(found.starts_with(said), "{said}: {found}");
        assert_eq!(judge(&(log + START)), None, "it starts again");
    }
    assert_eq!(judge(""), None);
    assert_eq!(judge("no line of Redis"), None);
}

#[test]
fn a_step_that_cannot_mend_does_not_promise_to() {
    for (_, _, kind) in SAID {
        let mends = matches!(
            kind,
            TroubleKind::DamagedAppendOnlyFile
                | TroubleKind::DamagedManifest
                | TroubleKind::NotAFile
        );
        assert_eq!(kind.step().contains("--fix"), mends, "{kind:?}");
        assert!(!kind.step().contains("password"), "{kind:?}");
    }
}

#[test]
fn what_redis_says_when_it_leaves_does_not_hide_the_reason() {
    let log = "1:M 30 Nov 2026 15:00:00.001 # Error writing to the AOF file: No space left on device\n\
               1:M 30 Nov 2026 15:00:00.002 # Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...\n";
    assert_eq!(judge(log).map(|it| it.kind), Some(TroubleKind::DiskFull));
}
