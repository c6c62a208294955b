//! What `shim_coordinate_task` takes.

use shim_proto::limits;
use shim_proto::limits::task::{
    LAST_PRIORITY, MAX_COST_USD, MAX_DELAY, MAX_DEPENDENCIES, MAX_FILES, MAX_GOAL_BYTES,
    MAX_KEY_BYTES, MAX_KIND_BYTES, MAX_PAYLOAD_BYTES, MAX_REASON_BYTES, MAX_REQUIRED_CAPABILITIES,
    MAX_SCHEDULE_BYTES, MAX_SUBTASK_FILES, MAX_SUBTASKS, MAX_TIMEOUT,
};

use crate::arguments::{NO_TASK, Named, Parameter, ParameterType, optional, required};

const MAX_TIMEOUT_S: u64 = MAX_TIMEOUT.as_secs();
const MAX_DELAY_S: u64 = MAX_DELAY.as_secs();
/// Longer than anything that is waited for.
const MAX_DEADLINE_S: u64 = 366 * 86_400;

/// How long a wait may take within the limit of a call.
pub(super) const MAX_WAIT_S: u64 = limits::MAX_WAIT.as_secs();

const GOAL: ParameterType = ParameterType::Text {
    max_bytes: MAX_GOAL_BYTES,
};
const KIND: ParameterType = ParameterType::Text {
    max_bytes: MAX_KIND_BYTES,
};
const REASON: ParameterType = ParameterType::Text {
    max_bytes: MAX_REASON_BYTES,
};
const CAPABILITIES: ParameterType = ParameterType::Names {
    max_items: MAX_REQUIRED_CAPABILITIES,
};
const EXECUTOR: ParameterType = ParameterType::Choice(&["chat", "agent", "command", "analysis"]);
const PRIORITY: ParameterType = ParameterType::Integer {
    min: 1,
    max: LAST_PRIORITY as u64,
};
const PAYLOAD: ParameterType = ParameterType::Object {
    max_bytes: MAX_PAYLOAD_BYTES,
};
const TIMEOUT: ParameterType = ParameterType::Integer {
    min: 1,
    max: MAX_TIMEOUT_S,
};
const BUDGET: ParameterType = ParameterType::Number {
    min: 0.01,
    max: MAX_COST_USD,
};
const APPROVAL: ParameterType = ParameterType::Choice(&["start", "result", "both"]);

/// One of `subtasks`.
const SUBTASK: &[Parameter] = &[
    required(
        "id",
        ParameterType::Text {
            max_bytes: MAX_KEY_BYTES,
        },
        "Its name in the job, unique, for example \"lexer\".",
    ),
    required("goal", GOAL, "What is to be achieved, complete in itself."),
    optional(
        "after",
        ParameterType::Texts {
            max_items: MAX_DEPENDENCIES,
            max_bytes: MAX_KEY_BYTES,
        },
        "The ids of parts that must be completed before; their results are told to its worker.",
    ),
    optional(
        "files",
        ParameterType::Paths {
            max_items: MAX_SUBTASK_FILES,
        },
        "Files or glob patterns it has for itself while it runs; a name that is there means itself, also with [ ] in it.",
    ),
    optional("kind", KIND, "The kind of work; left out, the job's."),
    optional(
        "requirements",
        CAPABILITIES,
        "Capabilities its worker must have; left out, the job's.",
    ),
    optional(
        "executor",
        EXECUTOR,
        "What must run it; left out, the job's.",
    ),
    optional(
        "payload",
        PAYLOAD,
        "What its executor needs to know; left out, the job's.",
    ),
    optional(
        "priority",
        PRIORITY,
        "1 (first) to 100 (last); left out, the job's.",
    ),
    optional(
        "weight",
        ParameterType::Number {
            min: 0.001,
            max: 1_000_000.0,
        },
        "Its share in the job's progress next to the other parts; 1 if left out.",
    ),
    optional(
        "timeout_seconds",
        TIMEOUT,
        "How long one attempt may take; left out, the job's.",
    ),
    optional(
        "max_budget",
        BUDGET,
        "US dollars that its attempts may cost together; left out, the job's.",
    ),
    optional(
        "approval",
        APPROVAL,
        "Gates of this part; left out, the job's.",
    ),
];

/// All arguments of all actions.
pub(super) const PARAMETERS: &[Parameter] = &[
    required(
        "action",
        ParameterType::Choice(&[
            "submit", "status", "wait", "results", "cancel", "retry", "approve", "message",
        ]),
        "What to do.",
    ),
    optional(
        "goal",
        GOAL,
        "submit (required there): what is to be achieved, in a few sentences; at most 8,192 bytes.",
    ),
    optional(
        "kind",
        KIND,
        "submit: the kind of work, for example \"refactor\"; at most 100 bytes.",
    ),
    optional(
        "subtasks",
        ParameterType::Records {
            max_items: MAX_SUBTASKS,
            fields: SUBTASK,
        },
        "submit: the parts, {id, goal, after, files, ...}; at most 1,000, without circles. Left out, a large job is split by its files or steps.",
    ),
    optional(
        "files",
        ParameterType::Paths {
            max_items: MAX_FILES,
        },
        "submit: files or glob patterns the work is about, absolute or relative to the project; a name that is there means itself; at most 1,000. A job that is not split has them for itself while it runs.",
    ),
    optional(
        "steps",
        ParameterType::Texts {
            max_items: 1_000,
            max_bytes: 1_024,
        },
        "submit: steps of the work, for the estimate and the split; at most 1,000 of 1,024 bytes.",
    ),
    optional(
        "split",
        ParameterType::Choice(&["auto", "never"]),
        "submit: whether a large job without subtasks is split; \"auto\" if left out.",
    ),
    optional(
        "requirements",
        CAPABILITIES,
        "submit: capabilities a worker must have, all of them; at most 20.",
    ),
    optional(
        "executor",
        EXECUTOR,
        "submit: what must run it: \"chat\" is a Claude window, the others are started by the user; left out, any.",
    ),
    optional(
        "payload",
        PAYLOAD,
        "submit: more for the worker or its program, any JSON object of at most 64 KiB.",
    ),
    optional(
        "priority",
        PRIORITY,
        "submit: 1 (first) to 100 (last); 50 if left out.",
    ),
    optional(
        "delay_seconds",
        ParameterType::Integer {
            min: 0,
            max: MAX_DELAY_S,
        },
        "submit: seconds to wait before it may start; at most 30 days.",
    ),
    optional(
        "schedule",
        ParameterType::Text {
            max_bytes: MAX_SCHEDULE_BYTES,
        },
        "submit: five cron fields in UTC, for example \"0 6 * * 1\": the job runs again and again; the answer has the next runs.",
    ),
    optional(
        "overlap",
        ParameterType::Choice(&["skip", "allow"]),
        "submit, with schedule: a run that is due while an earlier one waits or runs is left out and counted (\"skip\", the default) or submitted all the same (\"allow\").",
    ),
    optional(
        "parent_task_id",
        ParameterType::id_or(Named::Task, NO_TASK),
        "submit: the task on whose behalf it comes, and with which it is called off; left out, the task this session has claimed. \"none\" for none.",
    ),
    optional(
        "deadline_seconds",
        ParameterType::Integer {
            min: 1,
            max: MAX_DEADLINE_S,
        },
        "submit: seconds from now until it fails if it is not done.",
    ),
    optional(
        "timeout_seconds",
        TIMEOUT,
        "submit: seconds one attempt may take, up to 43,200; left out, 300 for programs and no limit in a chat.",
    ),
    optional(
        "max_budget",
        BUDGET,
        "submit: US dollars that all attempts of each part may cost together; an agent is stopped at it.",
    ),
    optional(
        "max_attempts",
        ParameterType::Integer { min: 1, max: 20 },
        "submit: how often each part may be tried, 1 to 20; 3 if left out.",
    ),
    optional(
        "on_failure",
        ParameterType::Choice(&["fail_fast", "continue"]),
        "submit: when a part failed for good, \"fail_fast\" (the default) calls the rest off, \"continue\" only what depends on it.",
    ),
    optional(
        "merge",
        ParameterType::Choice(&["concatenate", "merge", "first", "last"]),
        "submit, results: how the results of the parts become one; \"concatenate\" if left out of submit, as submitted if left out of results.",
    ),
    optional(
        "strategy",
        ParameterType::Choice(&["least_loaded", "round_robin", "capability"]),
        "submit: who gets a part when several workers wait; \"least_loaded\" if left out.",
    ),
    optional(
        "approval",
        APPROVAL,
        "submit: people decide before it may start, before its result counts, or both.",
    ),
    optional(
        "task_id",
        ParameterType::id(Named::Task),
        "All but submit and message: the job or one of its parts, from the answer to submit or view=tasks; the last eight digits or JOB/PART do, too.",
    ),
    optional(
        "cursor",
        ParameterType::Text { max_bytes: 200 },
        "wait: where the last wait ended, from its answer; left out, the log is told from its beginning.",
    ),
    optional(
        "wait_seconds",
        ParameterType::Integer {
            min: 0,
            max: MAX_WAIT_S,
        },
        "wait: how long at most, 0 to 25; 25 if left out.",
    ),
    optional(
        "reject",
        ParameterType::Flag,
        "approve: true turns it down: a start is called off, a result fails for good.",
    ),
    optional(
        "reason",
        REASON,
        "cancel, approve: why, for people; at most 1,024 bytes.",
    ),
    optional(
        "message",
        ParameterType::Text { max_bytes: 16_384 },
        "message (required there): the text; at most 16,384 bytes.",
    ),
    optional(
        "to_session",
        ParameterType::id(Named::SessionOrWorker),
        "message: the session that is to read it, from view=sessions, or the \"from\" of a message.",
    ),
    optional(
        "to_worker",
        ParameterType::id(Named::Worker),
        "message, instead of to_session: the worker that is to read it, from view=workers.",
    ),
    optional(
        "to_capability",
        ParameterType::Text { max_bytes: 100 },
        "message, instead of to_session: every living worker with this capability, for example \"rust\".",
    ),
    optional(
        "session_id",
        ParameterType::id(Named::Session),
        "The session that asks or sends, from an earlier answer; left out, this process's own.",
    ),
];
