//! A request of every unary RPC with nothing wrong in it: the ground the cases are patched onto.

use serde_json::{Value, json};
use shim_tests::calls::request_id;

use super::wire::Wire;

/// A session with two checkpoints and a restore, to be named in requests.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) session_id: Value,
    pub(crate) epoch: Value,
    pub(crate) checkpoint_ids: [Value; 2],
    pub(crate) restore_id: Value,
}

impl Fixture {
    pub(crate) async fn make(wire: &Wire) -> Self {
        let opened = wire
            .call(
                "OpenSession",
                &json!({"request_id": request_id(), "project": "/ground"}),
            )
            .await
            .unwrap();
        let session_id = opened["session"]["id"].clone();
        let mut checkpoint_ids = Vec::new();
        for epoch in [1, 1] {
            let save = json!({"request_id": request_id(), "session_id": session_id, "epoch": epoch, "state": state()});
            let saved = wire.call("SaveCheckpoint", &save).await.unwrap();
            checkpoint_ids.push(saved["checkpoint"]["id"].clone());
        }
        let restore =
            json!({"request_id": request_id(), "session_id": session_id, "take_over": true});
        let restored = wire.call("RestoreCheckpoint", &restore).await.unwrap();
        Self {
            session_id,
            epoch: restored["session"]["epoch"].clone(),
            checkpoint_ids: checkpoint_ids.try_into().unwrap(),
            restore_id: restored["restore_id"].clone(),
        }
    }

    /// The request of `method`, each time with a fresh request id.
    pub(crate) fn request(&self, method: &str) -> Value {
        let mut request = self.body(method);
        if !READS.contains(&method) {
            request["request_id"] = json!(request_id());
        }
        request
    }

    fn body(&self, method: &str) -> Value {
        let Self {
            session_id,
            epoch,
            checkpoint_ids: [first, second],
            restore_id,
        } = self;
        match method {
            "OpenSession" => json!({"project": "/ground", "title": "t", "client": client()}),
            "EndSession" => json!({"session_id": session_id, "epoch": epoch}),
            "GetSession" => json!({"session_id": session_id}),
            "ListSessions" => json!({"project": "/ground", "page_size": 10}),
            "DeleteSession" => json!({"session_id": session_id, "force": true}),
            "SaveCheckpoint" => json!({"session_id": session_id, "epoch": epoch, "state": state()}),
            "GetCheckpoint" => json!({"checkpoint_id": first}),
            "ListCheckpoints" => json!({"session_id": session_id, "page_size": 10}),
            "DiffCheckpoints" => json!({"from_checkpoint_id": first, "to_checkpoint_id": second}),
            "ForkSession" => json!({"checkpoint_id": first, "title": "fork", "client": client()}),
            "SearchCheckpoints" => json!({"query": "parser", "limit": 10}),
            "DetectRecovery" => json!({"project": "/ground", "limit": 10}),
            "RestoreCheckpoint" => json!({
                "session_id": session_id, "take_over": true, "client": client(),
                "current_files": [file()], "current_git": {"head": "0123abcd", "branch": "main"},
            }),
            "DismissRecovery" => json!({"session_id": session_id}),
            "RecordResume" => json!({"restore_id": restore_id, "fidelity": 0.5, "notes": "fine"}),
            "Prune" => {
                json!({"session_id": session_id, "older_than": "3600s", "keep_last": 5, "dry_run": true})
            }
            "Export" => json!({"session_ids": [session_id]}),
            "RecordSignals" => {
                json!({"session_id": session_id, "epoch": epoch, "signals": signals()})
            }
            "AssessRisk" => json!({"session_id": session_id, "signals": signals()}),
            "ListSignalHistory" => json!({"session_id": session_id, "page_size": 10}),
            "ReportEvents" => json!({"events": [event()]}),
            "GetGuidance" => json!({"event": event()}),
            "GetObservation" => json!({"session_id": session_id, "event_count": 10}),
            other => panic!("{other} has no valid request here: add one"),
        }
    }
}

/// RPCs that take no request id: they change nothing, or each event has an id of its own.
const READS: [&str; 13] = [
    "ReportEvents",
    "GetGuidance",
    "GetObservation",
    "Export",
    "GetSession",
    "ListSessions",
    "GetCheckpoint",
    "ListCheckpoints",
    "DiffCheckpoints",
    "SearchCheckpoints",
    "DetectRecovery",
    "AssessRisk",
    "ListSignalHistory",
];

pub(crate) fn state() -> Value {
    json!({
        "current_task": "write the parser",
        "progress": 0.5,
        "decisions": ["recursive descent"],
        "active_files": [file()],
        "next_steps": ["test it"],
        "completed_steps": ["read the grammar"],
        "blockers": ["none known"],
        "summary": "a parser is being written",
        "git": {"head": "0123abcd", "branch": "main"},
        "memory": {"used_bytes": 1, "limit_bytes": 2, "pressure": 0.5},
        "custom": {"a": 1},
    })
}

fn event() -> Value {
    json!({
        "event_id": request_id(), "at": "2026-01-01T00:00:00Z", "conversation": request_id(), "cwd": "/ground",
        "client": client(), "prompt_submitted": {"prompt_id": "p", "text": "write the parser"},
    })
}

fn file() -> Value {
    json!({"path": "src/parser.rs", "presence": "FILE_PRESENCE_PRESENT", "size_bytes": 10, "blake3": "ab".repeat(32)})
}

fn client() -> Value {
    json!({"name": "n", "version": "1", "client_process": {"pid": 1}, "gateway_process": {"pid": 1}})
}

fn signals() -> Value {
    json!({
        "estimated_tokens": 1000, "context_window": 200_000, "message_count": 3, "tool_calls": 2, "tool_failures": 1,
        "response_latency_ms": 5.0, "memory": {"pressure": 0.1},
    })
}
