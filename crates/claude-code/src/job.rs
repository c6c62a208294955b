//! What Claude Code's daemon keeps of background sessions: `jobs/ID/state.json` and `daemon/roster.json` in the client's
//! folder. It starts a session again that died, some ten seconds later.
//!
//! A job does not always say that its session died: one that waits for something keeps that state. The daemon's roster has
//! it until then. Some of these files also hold secrets; only the fields named here are kept of what was read.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use shim_runtime::data_dir::{open_named, read_bounded};
use shim_runtime::process;

/// A file has a few thousand bytes for each session.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// A job is named after the first digits of its conversation.
const NAME_BYTES: usize = 8;
/// How the daemon calls a session that it starts again, and one that a person stopped.
const RESPAWN: &str = "respawn";
const STOPPED: &str = "stopped";

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

/// Those of the daemon's roster.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Roster {
    supervisor_pid: u32,
    #[serde(default)]
    workers: HashMap<String, Worker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Worker {
    session_id: Option<String>,
}

/// Whether the client's daemon will start this conversation again if its process died: it says so, or it lives and has the
/// session, which nobody stopped.
#[must_use]
pub fn is_respawning(folder: &Path, conversation: &str) -> bool {
    let Some(job) = job_of(folder, conversation) else {
        return false;
    };
    let says = |word: &str| {
        let has = |text: &str| text.to_ascii_lowercase().contains(word);
        has(&job.state) || job.detail.as_deref().is_some_and(has)
    };
    says(RESPAWN) || (!says(STOPPED) && is_on_roster(folder, conversation))
}

fn job_of(folder: &Path, conversation: &str) -> Option<JobFile> {
    let name = conversation.get(..NAME_BYTES)?;
    if !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let job: JobFile = read(&folder.join("jobs").join(name).join("state.json"))?;
    let is_it = |id: &Option<String>| id.as_deref() == Some(conversation);
    (is_it(&job.session_id) || is_it(&job.resume_session_id)).then_some(job)
}

fn is_on_roster(folder: &Path, conversation: &str) -> bool {
    let roster: Option<Roster> = read(&folder.join("daemon/roster.json"));
    roster.is_some_and(|roster| {
        let has = |worker: &Worker| worker.session_id.as_deref() == Some(conversation);
        roster.workers.values().any(has) && process::identity(roster.supervisor_pid).is_some()
    })
}

/// A file that is torn, foreign or too large is none.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = read_bounded(open_named(path).ok()?, MAX_FILE_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ID: &str = "0a1b2c3d-1111-4222-8333-444455556666";

    fn of(state: &str, detail: &str, session: &str) -> String {
        format!(
            r#"{{"state":"{state}","detail":"{detail}","tempo":1,"sessionId":"{session}","name":"x"}}"#
        )
    }

    #[test]
    fn a_session_that_its_daemon_starts_again_is_told_from_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let job = folder.path().join("jobs/0a1b2c3d");
        std::fs::create_dir_all(&job).unwrap();
        std::fs::create_dir_all(folder.path().join("daemon")).unwrap();
        let is = |text: &str| {
            std::fs::write(job.join("state.json"), text).unwrap();
            is_respawning(folder.path(), ID)
        };
        assert!(is(&of("crashed", "process gone, respawning", ID)));
        assert!(is(&of("respawning", "", ID)));
        assert!(!is(&of("working", "", ID)), "no daemon has it");
        assert!(!is(&of("respawning", "", "0a1b2c3d-other")));
        for torn in ["", "{", "[]", "null", r#"{"state":7}"#] {
            assert!(!is(torn), "{torn}");
        }

        let roster = |pid: u32, session: &str| {
            let text = format!(
                r#"{{"proto":1,"supervisorPid":{pid},"workers":{{"0a1b2c3d":{{"pid":1,"sessionId":"{session}"}}}}}}"#
            );
            std::fs::write(folder.path().join("daemon/roster.json"), text).unwrap();
        };
        roster(std::process::id(), ID);
        assert!(is(&of("blocked", "", ID)));
        assert!(!is(&of("stopped", "", ID)));
        roster(std::process::id(), "another");
        assert!(!is(&of("blocked", "", ID)));
        roster(u32::MAX, ID);
        assert!(!is(&of("blocked", "", ID)), "the daemon is gone");
        std::fs::remove_file(job.join("state.json")).unwrap();
        for other in [ID, "", "../../../", "0a1b2c3", "äöü12345"] {
            assert!(!is_respawning(folder.path(), other), "{other}");
        }
    }
}
