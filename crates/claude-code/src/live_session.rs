//! The file that Claude Code keeps for each live session, `sessions/PID.json` in its folder: which conversation a process
//! has now. It follows `/clear` and `/resume`, is removed at a clean end and left behind by a killed process.
//!
//! Some of these files also hold secrets; only the fields named here are kept of what was read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use shim_runtime::process;

/// Names another folder than `.claude` in the home folder.
const CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";
/// A file has about 500 bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// Live and left-behind sessions that are looked through.
const MAX_FILES: usize = 4_096;
/// The contract's limit on the name of a conversation.
const MAX_CONVERSATION_BYTES: usize = 200;
/// `kind` and `status` are single words.
const MAX_WORD_BYTES: usize = 40;

/// A session as its file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// The client's process.
    pub pid: u32,
    /// The client's own id of the conversation.
    pub conversation: String,
    /// The folder it works in; empty if the file does not say.
    pub cwd: PathBuf,
    /// `interactive` or `bg`; empty if the file does not say.
    pub kind: String,
    /// `busy` or `idle`; empty if the file does not say.
    pub status: String,
    /// Whether that very process still runs.
    pub is_alive: bool,
}

/// The fields that are read, out of many.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionFile {
    pid: Option<u32>,
    session_id: String,
    cwd: Option<PathBuf>,
    proc_start: Option<Value>,
    kind: Option<String>,
    status: Option<String>,
}

/// The client's folder by this process's environment: `CLAUDE_CONFIG_DIR`, else `.claude` in the home folder.
#[must_use]
pub fn client_folder() -> Option<PathBuf> {
    client_folder_by(|name| std::env::var_os(name).map(PathBuf::from))
}

/// The same by an environment that is given.
pub fn client_folder_by(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let configured = env(CONFIG_DIR).filter(|folder| !folder.as_os_str().is_empty());
    let folder = configured.or_else(|| Some(env("HOME")?.join(".claude")))?;
    folder.is_absolute().then_some(folder)
}

/// The client's folder that a transcript, `FOLDER/projects/SLUG/ID.jsonl`, lies in.
#[must_use]
pub fn folder_of_transcript(transcript: &Path) -> Option<&Path> {
    let projects = transcript.parent()?.parent()?;
    (projects.is_absolute() && projects.file_name()? == "projects").then(|| projects.parent())?
}

/// The session of a client's process, in the folder of this process's environment; `None` if there is no file of it that
/// can be understood.
#[must_use]
pub fn of_process(pid: u32) -> Option<LiveSession> {
    of_process_in(&client_folder()?, pid)
}

/// The same in a folder that is known otherwise.
#[must_use]
pub fn of_process_in(folder: &Path, pid: u32) -> Option<LiveSession> {
    read(&folder.join("sessions").join(format!("{pid}.json")), pid)
}

/// The session of a conversation: the living one if there is one, else one that its process left behind.
#[must_use]
pub fn of_conversation(folder: &Path, conversation: &str) -> Option<LiveSession> {
    let mut left_behind = None;
    let entries = std::fs::read_dir(folder.join("sessions")).ok()?;
    for entry in entries.take(MAX_FILES).flatten() {
        let path = entry.path();
        let Some(pid) = pid_of(&path) else { continue };
        match read(&path, pid).filter(|found| found.conversation == conversation) {
            Some(found) if found.is_alive => return Some(found),
            Some(found) => left_behind = Some(found),
            None => {}
        }
    }
    left_behind
}

fn pid_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".json")?.parse().ok()
}

/// A file that is torn, foreign or too large is none.
fn read(path: &Path, pid: u32) -> Option<LiveSession> {
    // A pipe or device in its place would be waited for.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).ok()?.take(MAX_FILE_BYTES + 1);
    file.read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return None;
    }
    let file: SessionFile = serde_json::from_slice(&bytes).ok()?;
    if file.pid.is_some_and(|named| named != pid) || !is_conversation(&file.session_id) {
        return None;
    }
    Some(LiveSession {
        pid,
        is_alive: is_alive(pid, file.proc_start.as_ref()),
        conversation: file.session_id,
        cwd: file.cwd.unwrap_or_default(),
        kind: word(file.kind),
        status: word(file.status),
    })
}

fn is_conversation(id: &str) -> bool {
    (1..=MAX_CONVERSATION_BYTES).contains(&id.len()) && !id.contains(char::is_control)
}

fn word(text: Option<String>) -> String {
    let fits = |text: &String| text.len() <= MAX_WORD_BYTES && !text.contains(char::is_control);
    text.filter(fits).unwrap_or_default()
}

/// Whether the process that wrote the file still runs: its start, as a number or its digits, is that of the pid now. A file
/// without one only tells the pid.
fn is_alive(pid: u32, proc_start: Option<&Value>) -> bool {
    let Some(now) = process::identity(pid) else {
        return false;
    };
    let written = match proc_start {
        Some(Value::Number(ticks)) => ticks.as_u64(),
        Some(Value::String(ticks)) => ticks.parse().ok(),
        Some(Value::Null) | None => return true,
        Some(_) => None,
    };
    // Where the system does not tell the start of a process, its life is all there is.
    now.start_ticks == 0 || written == Some(now.start_ticks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("sessions")).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
            std::fs::write(self.0.path().join("sessions").join(name), contents).unwrap();
        }

        fn write_session(&self, pid: u32, id: &str, proc_start: &Value) {
            let file = json!({"pid": pid, "sessionId": id, "cwd": "/p", "procStart": proc_start,
                "kind": "interactive", "status": "busy", "token": "a secret", "startedAt": 1});
            self.write(&format!("{pid}.json"), file.to_string());
        }
    }

    #[test]
    fn a_session_is_alive_while_its_very_process_runs() {
        let folder = Folder::new();
        let own = process::own();
        let ticks = own.start_ticks;
        for (start, is_alive) in [
            (json!(ticks), true),
            (json!(ticks.to_string()), true),
            (json!(ticks + 1), false),
            (json!("soon"), false),
            (json!([ticks]), false),
            (Value::Null, true),
        ] {
            folder.write_session(own.pid, "c", &start);
            let found = of_process_in(folder.0.path(), own.pid).unwrap();
            assert_eq!(found.is_alive, is_alive, "{start}");
            assert_eq!((&*found.conversation, &*found.kind), ("c", "interactive"));
            assert_eq!((&*found.status, found.cwd), ("busy", PathBuf::from("/p")));
        }
    }

    #[test]
    fn a_conversation_is_found_by_its_living_process_first() {
        let folder = Folder::new();
        let own = process::own();
        let path = folder.0.path();
        folder.write("notes.txt", "{}");
        folder.write("7.key", "a secret");
        assert_eq!(of_conversation(path, "c"), None);
        folder.write_session(u32::MAX, "c", &json!("1"));
        let found = of_conversation(path, "c").unwrap();
        assert_eq!((found.pid, found.is_alive), (u32::MAX, false));
        folder.write_session(own.pid, "c", &json!(own.start_ticks));
        assert_eq!(of_conversation(path, "c").unwrap().pid, own.pid);
        assert_eq!(of_conversation(path, "another"), None);
        assert_eq!(of_conversation(&path.join("none"), "c"), None);
    }

    #[test]
    fn torn_foreign_and_huge_files_are_none() {
        let folder = Folder::new();
        let whole = json!({"pid": 7, "sessionId": "c"}).to_string();
        let huge = json!({"pid": 7, "sessionId": "c", "x": "x".repeat(70_000)}).to_string();
        let long = json!({"pid": 7, "sessionId": "c".repeat(201)}).to_string();
        for contents in [
            "",
            &whole[..whole.len() - 1],
            "[]",
            r#"{"pid": 8, "sessionId": "c"}"#,
            r#"{"pid": 7, "sessionId": ""}"#,
            r#"{"pid": 7, "sessionId": "a\nb"}"#,
            r#"{"pid": 7, "sessionId": 5}"#,
            r#"{"pid": 7}"#,
            &huge,
            &long,
        ] {
            folder.write("7.json", contents);
            let start = &contents[..contents.len().min(60)];
            assert_eq!(of_process_in(folder.0.path(), 7), None, "{start}");
        }
        folder.write("7.json", &whole);
        assert!(of_process_in(folder.0.path(), 7).is_some());
        std::fs::remove_file(folder.0.path().join("sessions/7.json")).unwrap();
        std::fs::create_dir(folder.0.path().join("sessions/7.json")).unwrap();
        assert_eq!(of_process_in(folder.0.path(), 7), None, "a folder");
    }

    #[test]
    fn the_folder_is_the_configured_one_else_in_the_home_folder() {
        let env = |configured: Option<&str>, home: Option<&str>| {
            let (configured, home) = (configured.map(PathBuf::from), home.map(PathBuf::from));
            client_folder_by(move |name| match name {
                CONFIG_DIR => configured.clone(),
                _ => home.clone(),
            })
        };
        let in_home = Some(PathBuf::from("/home/me/.claude"));
        assert_eq!(env(None, Some("/home/me")), in_home);
        assert_eq!(env(Some(""), Some("/home/me")), in_home);
        assert_eq!(env(Some("/c"), Some("/home/me")), Some("/c".into()));
        assert_eq!(env(Some("c"), None), None);
        assert_eq!(env(None, None), None);
    }

    #[test]
    fn a_transcript_tells_the_folder_it_lies_in() {
        let folder = |path: &str| folder_of_transcript(Path::new(path)).map(Path::to_owned);
        let found = folder("/home/me/.claude/projects/-p/c.jsonl");
        assert_eq!(found, Some("/home/me/.claude".into()));
        for other in ["/tmp/c.jsonl", "projects/-p/c.jsonl", "c.jsonl", ""] {
            assert_eq!(folder(other), None, "{other}");
        }
    }
}
