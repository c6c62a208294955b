//! The file that Claude Code's daemon keeps for each background session, `jobs/ID/state.json` in its folder: whether it is
//! about to start a session again that died.

use std::path::Path;

use serde::Deserialize;
use shim_runtime::data_dir::{open_named, read_bounded};

/// A file has a few thousand bytes.
const MAX_FILE_BYTES: u64 = 256 << 10;
/// A job is named after the first digits of its conversation.
const NAME_BYTES: usize = 8;
/// How the daemon calls a session that it starts again.
const RESPAWN: &str = "respawn";

/// The fields that are read, out of many.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobFile {
    session_id: Option<String>,
    resume_session_id: Option<String>,
    #[serde(default)]
    state: String,
    detail: Option<String>,
}

/// Whether the client's daemon says that it is about to start this conversation again.
#[must_use]
pub fn is_respawning(folder: &Path, conversation: &str) -> bool {
    let Some(job) = read(folder, conversation) else {
        return false;
    };
    let is_it = |id: &Option<String>| id.as_deref() == Some(conversation);
    let says = |text: &str| text.to_ascii_lowercase().contains(RESPAWN);
    (is_it(&job.session_id) || is_it(&job.resume_session_id))
        && (says(&job.state) || job.detail.as_deref().is_some_and(says))
}

/// A file that is torn, foreign or too large is none.
fn read(folder: &Path, conversation: &str) -> Option<JobFile> {
    let name = conversation.get(..NAME_BYTES)?;
    if !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let path = folder.join("jobs").join(name).join("state.json");
    let bytes = read_bounded(open_named(&path).ok()?, MAX_FILE_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_job_that_its_daemon_starts_again_is_told_from_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let id = "0a1b2c3d-1111-4222-8333-444455556666";
        let job = folder.path().join("jobs/0a1b2c3d");
        std::fs::create_dir_all(&job).unwrap();
        let is = |text: &str| {
            std::fs::write(job.join("state.json"), text).unwrap();
            is_respawning(folder.path(), id)
        };
        let of = |state: &str, detail: &str, session: &str| {
            format!(
                r#"{{"state":"{state}","detail":"{detail}","tempo":1,"sessionId":"{session}","name":"x"}}"#
            )
        };
        assert!(is(&of("crashed", "process gone, respawning", id)));
        assert!(is(&of("respawning", "", id)));
        assert!(!is(&of("working", "", id)));
        assert!(!is(&of("respawning", "", "0a1b2c3d-other")));
        for torn in ["", "{", "[]", "null", r#"{"state":7}"#] {
            assert!(!is(torn), "{torn}");
        }
        std::fs::remove_file(job.join("state.json")).unwrap();
        for other in [id, "", "../../../", "0a1b2c3", "äöü12345"] {
            assert!(!is_respawning(folder.path(), other), "{other}");
        }
    }
}
