//! What the settings were before SHIM changed them, so that they can be given back to the byte as long as nobody else wrote them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::write::Written;

/// Stands in the plugin's folder of a person; that of a project says nothing of this machine.
pub(super) const RECORD_FILE: &str = "installed.json";

/// The files of other programs that SHIM changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    files: BTreeMap<PathBuf, Changed>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    /// The file as it was; `None` if there was none.
    kept: Option<PathBuf>,
    /// Of what SHIM made of it.
    digest: String,
}

/// What a file was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Original {
    /// It was not there.
    Absent,
    /// It held this.
    Text(String),
}

impl Record {
    /// What is recorded; nothing if there is no record or it cannot be read.
    pub(super) fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join(RECORD_FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The record with a change, of a file that had something of SHIM before or not.
    pub(super) fn with(mut self, written: &Written, had_ours: bool) -> Self {
        let Written {
            path,
            before,
            after,
            kept,
        } = written;
        let digest = digest(after);
        match self.files.get_mut(path) {
            Some(known) if known.digest == self::digest(before) => known.digest = digest,
            // Somebody else wrote it in between, so nobody knows what it would be without SHIM.
            Some(_) => drop(self.files.remove(path)),
            None if had_ours => {}
            None => {
                let kept = kept.clone();
                self.files.insert(path.clone(), Changed { kept, digest });
            }
        }
        self
    }

    /// What the file was before, if it is now just what SHIM made of it.
    pub(super) fn original(&self, path: &Path, now: &str) -> Option<Original> {
        let known = self.files.get(path)?;
        if known.digest != digest(now) {
            return None;
        }
        match &known.kept {
            None => Some(Original::Absent),
            Some(kept) => std::fs::read_to_string(kept).ok().map(Original::Text),
        }
    }

    /// As it is written.
    pub(super) fn text(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        Ok(text + "\n")
    }

    /// Whether nothing is recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(before: &str, after: &str, kept: Option<&Path>) -> Written {
        Written {
            path: "/s.json".into(),
            before: before.to_owned(),
            after: after.to_owned(),
            kept: kept.map(Path::to_path_buf),
        }
    }

    #[test]
    fn the_first_state_is_given_back_while_only_shim_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        std::fs::write(&first, "a").unwrap();
        std::fs::write(&second, "b").unwrap();
        let record = Record::default()
            .with(&written("a", "b", Some(&first)), false)
            .with(&written("b", "c", Some(&second)), true);
        std::fs::write(folder.path().join(RECORD_FILE), record.text().unwrap()).unwrap();
        assert_eq!(Record::read(folder.path()), record);
        let path = Path::new("/s.json");
        assert_eq!(
            record.original(path, "c"),
            Some(Original::Text("a".to_owned()))
        );
        assert_eq!(record.original(path, "changed by hand"), None);
        assert_eq!(record.original(Path::new("/other"), "c"), None);
        std::fs::remove_file(&first).unwrap();
        assert_eq!(record.original(path, "c"), None, "the kept file is gone");
    }

    #[test]
    fn a_file_that_others_wrote_is_not_given_back_and_one_that_was_not_there_goes() {
        let new = Record::default().with(&written("", "b", None), false);
        assert_eq!(
            new.original(Path::new("/s.json"), "b"),
            Some(Original::Absent)
        );
        let mixed = new.with(&written("b by hand", "c", None), true);
        assert!(mixed.is_empty());
        let of_old = Record::default().with(&written("has ours", "c", None), true);
        assert!(of_old.is_empty());
    }
}
