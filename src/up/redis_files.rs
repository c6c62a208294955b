//! The files of the private Redis's append-only file: a manifest that names its parts, a snapshot and the commands since.

use std::io;
use std::path::{Path, PathBuf};

use super::redis_trouble::{RedisTrouble, TroubleKind, WOULD_START};

/// The folder of the parts.
pub(crate) const APPEND_ONLY_FOLDER: &str = "appendonlydir";
/// The file that names them.
pub(crate) const MANIFEST: &str = "appendonly.aof.manifest";
const PREFIX: &str = "appendonly.aof.";

/// Where the private Redis of a data folder keeps its files.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("redis")
}

/// The folder of the parts of a data folder's Redis.
pub(crate) fn append_only(data_dir: &Path) -> PathBuf {
    folder(data_dir).join(APPEND_ONLY_FOLDER)
}

/// One part, as its name tells it: `appendonly.aof.SEQUENCE.base.rdb`, `.base.aof` or `.incr.aof`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    is_base: bool,
    sequence: u64,
    name: String,
    bytes: u64,
}

/// What Redis would pass over without a word, and start without the data.
pub(crate) fn silent_loss(folder: &Path) -> Option<RedisTrouble> {
    let parts = parts(folder).ok()?;
    let trouble = |kind, said: String| Some(RedisTrouble { said, kind });
    let manifest = folder.join(MANIFEST);
    let named = match std::fs::read(&manifest) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Redis says so by itself, as it does of an empty manifest and of a damaged line.
        Err(_) => return None,
    };
    let names_none = named
        .as_ref()
        .is_none_or(|named| !named.is_empty() && named.lines().all(|line| line.starts_with('#')));
    if names_none && parts.iter().any(|part| part.bytes > 0) {
        let said = format!(
            "the manifest of the append-only file names none of the parts that are there: {WOULD_START} them"
        );
        return trouble(TroubleKind::DamagedManifest, said);
    }
    let named = named.unwrap_or_default();
    // Redis itself writes no snapshot without a head.
    let emptied = parts
        .iter()
        .find(|part| part.is_base && part.bytes == 0 && named.contains(&part.name))?;
    trouble(
        TroubleKind::DamagedSnapshot,
        format!(
            "the snapshot {} is empty: {WOULD_START} what it held",
            emptied.name
        ),
    )
}

/// A manifest of the parts that are there.
///
/// # Errors
/// In words, if the names do not tell how the parts follow each other.
pub(crate) fn manifest_of(folder: &Path) -> io::Result<Result<String, &'static str>> {
    let parts = parts(folder)?;
    let bases = parts.iter().filter(|part| part.is_base).count();
    Ok(match bases {
        0 => Err("its snapshot is not there, without which the commands since mean nothing"),
        1 => Ok(parts.iter().map(Part::line).collect()),
        _ => Err("there are several snapshots, and their names do not tell which one counts"),
    })
}

/// The snapshot first, then the commands in their order.
fn parts(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if meta.is_file() {
            parts.extend(Part::of(name, meta.len()));
        }
    }
    parts.sort_by_key(|part| (!part.is_base, part.sequence));
    Ok(parts)
}

impl Part {
    fn of(name: String, bytes: u64) -> Option<Self> {
        let (sequence, kind) = name.strip_prefix(PREFIX)?.split_once('.')?;
        let is_base = match kind {
            "base.rdb" | "base.aof" => true,
            "incr.aof" => false,
            _ => return None,
        };
        let sequence = sequence.parse().ok()?;
        Some(Self {
            is_base,
            sequence,
            name,
            bytes,
        })
    }

    fn line(&self) -> String {
        let kind = if self.is_base { 'b' } else { 'i' };
        format!("file {} seq {} type {kind}\n", self.name, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Names and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];

    fn folder(files: Files<'_>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const BASE: &str = "appendonly.aof.2.base.rdb";
    const INCR: &str = "appendonly.aof.2.incr.aof";
    const WHOLE: &str = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";

    #[test]
    fn a_manifest_is_written_from_the_names_of_the_parts() {
        let many = folder(&[
            (BASE, "x"),
            ("appendonly.aof.10.incr.aof", ""),
            (INCR, ""),
            ("temp-rewriteaof-bg-7.aof", ""),
            (MANIFEST, ""),
        ]);
        let expected = format!("{WHOLE}file appendonly.aof.10.incr.aof seq 10 type i\n");
        assert_eq!(manifest_of(many.path()).unwrap(), Ok(expected));
        let none = folder(&[(INCR, "x")]);
        assert!(manifest_of(none.path()).unwrap().is_err());
        let two = folder(&[(BASE, "x"), ("appendonly.aof.3.base.aof", "x")]);
        assert!(manifest_of(two.path()).unwrap().is_err());
    }

    #[test]
    fn what_redis_passes_over_in_silence_is_told() {
        let kind = |files: Files<'_>| silent_loss(folder(files).path()).map(|it| it.kind);
        let comment = "#".repeat(3_000);
        let cases: [(Files<'_>, Option<TroubleKind>); 8] = [
            (&[(BASE, "x"), (INCR, ""), (MANIFEST, WHOLE)], None),
            (
                &[(BASE, "x"), (INCR, "")],
                Some(TroubleKind::DamagedManifest),
            ),
            (
                &[(BASE, "x"), (MANIFEST, &comment)],
                Some(TroubleKind::DamagedManifest),
            ),
            (
                &[(BASE, ""), (INCR, "x"), (MANIFEST, WHOLE)],
                Some(TroubleKind::DamagedSnapshot),
            ),
            // Redis refuses these by itself, in its own words.
            (&[(BASE, "x"), (MANIFEST, "")], None),
            (&[(BASE, "x"), (MANIFEST, "junk\n")], None),
            (&[(BASE, ""), (INCR, "")], None),
            (&[], None),
        ];
        for (files, expected) in cases {
            assert_eq!(kind(files), expected, "{files:?}");
        }
        assert_eq!(silent_loss(Path::new("/no/such/folder")), None);
    }
}
