//! Answers that unit tests print: one story of sessions, tasks and workers, whose times lie before the tests' present.

use std::io::{self, Write};
use std::time::Duration;

use prost_types::{Struct, Timestamp};
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointTrigger, ClientInfo, Interruption, InterruptionCause, ProcessIdentity,
    RiskLevel, Session, SessionStatus,
};
use shim_proto::coordination::v1::{
    FileLease, Lock, StateEntry, Task, TaskCounts, TaskError, TaskResult, TaskState, Usage, Worker,
    WorkerKind, WorkerState,
};

use crate::output::json::{self, Named};
use crate::output::time::now;

/// What a command prints for people.
pub(crate) fn printed(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    assert!(print(&mut text).is_ok());
    String::from_utf8_lossy(&text).into_owned()
}

/// What a command prints for people, and below it what it prints with `--json`.
pub(crate) fn both_faces<M: Named>(
    answer: &M,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> String {
    let mut line = Vec::new();
    assert!(json::write_line(&mut line, answer).is_ok());
    format!(
        "{}\n--json\n{}",
        printed(print),
        String::from_utf8_lossy(&line)
    )
}

/// A whole id that ends in `number`.
pub(crate) fn id(number: u32) -> String {
    format!("01890a5d-ac96-774b-bcce-b302{number:08}")
}

/// A moment before the tests' present.
pub(crate) fn ago(seconds: u64) -> Option<Timestamp> {
    Some(Timestamp::from(now() - Duration::from_secs(seconds)))
}

/// A moment after the tests' present.
pub(crate) fn ahead(seconds: u64) -> Option<Timestamp> {
    Some(Timestamp::from(now() + Duration::from_secs(seconds)))
}

/// Free-form data.
pub(crate) fn data(text: &str) -> Option<Struct> {
    json::read(text).ok()
}

/// A session whose client was killed.
pub(crate) fn session() -> Session {
    Session {
        id: id(1),
        project: "/home/me/rate-limiter".into(),
        title: "Limits".into(),
        status: SessionStatus::Interrupted.into(),
        epoch: 2,
        current_task: "Add a token-bucket\nrate limiter".into(),
        progress: 0.6,
        head_number: 2,
        risk_level: RiskLevel::Warning.into(),
        opened_at: ago(7_200),
        updated_at: ago(300),
        restore_count: 1,
        client: Some(ClientInfo {
            name: "claude-code".into(),
            version: "2.1".into(),
            hostname: "laptop".into(),
            gateway_process: Some(ProcessIdentity {
                pid: 4_711,
                ..ProcessIdentity::default()
            }),
            ..ClientInfo::default()
        }),
        interruption: Some(Interruption {
            cause: InterruptionCause::Killed.into(),
            confidence: 0.95,
            evidence: "its process is gone and the machine did not start anew".into(),
            at: ago(290),
        }),
        ..Session::default()
    }
}

/// A session without a checkpoint, whose client is connected.
pub(crate) fn new_session() -> Session {
    Session {
        id: id(2),
        project: "/home/me/work/a/very/long/path/to/a/project".into(),
        title: "Docs".into(),
        status: SessionStatus::Active.into(),
        attached: true,
        updated_at: ago(5),
        ..Session::default()
    }
}

/// The newest checkpoint of the session.
pub(crate) fn checkpoint() -> Checkpoint {
    Checkpoint {
        id: id(12),
        session_id: id(1),
        number: 2,
        trigger: CheckpointTrigger::DangerZone.into(),
        current_task: "Add a token-bucket\nrate limiter".into(),
        progress: 0.6,
        state_bytes: 1_536,
        created_at: ago(300),
        ..Checkpoint::default()
    }
}

/// A job with two subtasks.
pub(crate) fn job() -> (Task, Vec<Task>) {
    let root = Task {
        task_id: id(20),
        root_id: id(20),
        goal: "Put the rate limiter into service".into(),
        state: TaskState::Running.into(),
        priority: 50,
        progress: 0.5,
        attempts: 0,
        max_attempts: 3,
        created_at: ago(660),
        started_at: ago(600),
        subtasks: Some(TaskCounts {
            total: 2,
            completed: 1,
            failed: 1,
            ..TaskCounts::default()
        }),
        ..Task::default()
    };
    let subtask = |number, key: &str, state: TaskState| Task {
        task_id: id(number),
        root_id: id(20),
        key: key.into(),
        goal: format!("Do the {key}"),
        state: state.into(),
        priority: 50,
        attempts: 1,
        max_attempts: 3,
        worker_id: id(30),
        created_at: ago(660),
        started_at: ago(600),
        finished_at: ago(120),
        ..Task::default()
    };
    let done = Task {
        progress: 1.0,
        result: Some(TaskResult {
            text: "Clients are limited one by one.".into(),
            denials: vec!["Bash: git push".into()],
            remarks: vec!["its program exited with 1 after it".into()],
            ..TaskResult::default()
        }),
        ..subtask(21, "limits", TaskState::Completed)
    };
    let failed = Task {
        usage: Some(Usage {
            input_tokens: 1_200,
            output_tokens: 34,
            cost_usd: 0.0,
            incomplete: true,
        }),
        progress: 0.25,
        worker_deaths: 1,
        error: Some(TaskError {
            reason: "TIMED_OUT".into(),
            message: "the attempt took longer than 5 min".into(),
        }),
        ..subtask(22, "docs", TaskState::Failed)
    };
    (root, vec![done, failed])
}

/// A Claude window that works on one task.
pub(crate) fn worker() -> Worker {
    Worker {
        worker_id: id(30),
        epoch: 1,
        name: "window 1".into(),
        kind: WorkerKind::Chat.into(),
        capabilities: vec!["rust".into(), "docs".into()],
        capacity: 2,
        running: 1,
        state: WorkerState::Idle.into(),
        node: "laptop".into(),
        version: "0.1.0".into(),
        session_id: id(2),
        registered_at: ago(3_600),
        last_heartbeat_at: ago(2),
        due_at: ahead(3),
        ..Worker::default()
    }
}

/// An entry of the shared state.
pub(crate) fn entry() -> StateEntry {
    StateEntry {
        namespace: "/home/me/rate-limiter".into(),
        key: "plan".into(),
        value: data(r#"{"step":2,"owner":"window 1"}"#),
        version: 17,
        writer: "me@laptop".into(),
        updated_at: ago(60),
        expires_at: ahead(3_600),
    }
}

/// A lock that is held.
pub(crate) fn lock() -> Lock {
    Lock {
        namespace: "/home/me/rate-limiter".into(),
        name: "schema".into(),
        owner: "window 1".into(),
        purpose: "migration 12".into(),
        fencing_token: 4,
        acquired_at: ago(15),
        expires_at: ahead(15),
    }
}

/// A lease on files.
pub(crate) fn lease() -> FileLease {
    FileLease {
        lease_id: id(40),
        workspace: "/home/me/rate-limiter".into(),
        holder: "window 1".into(),
        purpose: "new index".into(),
        patterns: vec!["src/store/**".into(), "Cargo.toml".into()],
        acquired_at: ago(120),
        expires_at: ahead(480),
        ..FileLease::default()
    }
}
