//! Every metric: its name, its kind, its labels and its meaning. `deploy/METRICS.md` is this table for people.
//!
//! Names end in their unit (<https://prometheus.io/docs/practices/naming/>). Each label has few values, so that the number
//! of series stays bounded whatever clients send.

use Kind::{Counter, Gauge, Histogram};
use Unit::{Bytes, Count, Ratio, Seconds};

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is what it is now.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

/// The unit of a histogram's values, which selects its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// From 50 microseconds to five minutes.
    Seconds,
    /// From 256 bytes to 16 MiB.
    Bytes,
    /// From one to a thousand.
    Count,
    /// From nothing to all.
    Ratio,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What its values are.
    pub unit: Unit,
    /// The labels of its series.
    pub labels: &'static [Label],
    /// The processes that show it: `every process`, or those of a service.
    pub owner: &'static str,
    /// Its meaning, in one sentence.
    pub help: &'static str,
}

/// One label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// All its values. Empty if they are those of the contract, of the configuration or of a rule set.
    pub values: &'static [&'static str],
}

macro_rules! metrics {
    ($($owner:literal { $($name:literal $kind:ident $unit:ident [$($label:literal $(= $($value:literal)|+)?),*] $help:literal)* })*) => {
        &[$($(Metric {
            name: $name,
            kind: $kind,
            unit: $unit,
            labels: &[$(Label { name: $label, values: &[$($($value),+)?] }),*],
            owner: $owner,
            help: $help,
        }),*),*]
    };
}

/// All metrics, in the order of the table.
pub const METRICS: &[Metric] = metrics! {
    "every process" {
        "shim_build_info" Gauge Count ["version"] "1, with the version that runs."
        "shim_process_resident_memory_bytes" Gauge Bytes [] "Memory that the process holds; on Linux."
        "shim_process_cpu_seconds_total" Counter Seconds [] "Processor time that the process took; on Linux."
        "shim_process_open_fds" Gauge Count [] "File descriptors that are open; on Linux."
        "shim_process_start_time_seconds" Gauge Seconds [] "When the process began, in Unix time; on Linux."
        "shim_redactions_total" Counter Count ["rule"] "Secrets taken out before a text was written, by the rule that found them."
        "shim_background_tasks" Gauge Count ["task"] "Background tasks that run, by their name."
        "shim_background_task_panics_total" Counter Count ["task"] "Background tasks that panicked, by their name."
        "shim_log_lines_dropped_total" Counter Count [] "Log lines that were dropped because stderr was not read or could not be written."
    }
    "every server" {
        "shim_rpc_server_duration_seconds" Histogram Seconds ["rpc_service", "rpc_method"] "From a call's arrival to its answer, streams to their first answer."
        "shim_rpc_server_requests_total" Counter Count ["rpc_service", "rpc_method", "code"] "Calls answered, by the gRPC status."
        "shim_rpc_server_in_flight" Gauge Count [] "Calls that are open, streams included."
        "shim_rpc_server_refused_total" Counter Count ["reason" = "token" | "role" | "rate" | "overload" | "size"] "Calls turned away: no valid token, a role too weak, too fast, too many at once, too large."
    }
    "gateway" {
        "shim_mcp_operation_duration_seconds" Histogram Seconds ["method" = "tools/list" | "tools/call" | "prompts/list" | "prompts/get" | "resources/list" | "resources/templates/list" | "resources/read" | "other", "tool" = "" | "shim_auto_checkpoint" | "shim_check_recovery" | "shim_monitor_signals" | "shim_session_status" | "shim_coordinate_task" | "shim_worker_task"] "From an MCP request about tools, prompts or resources to its answer."
        "shim_mcp_operations_total" Counter Count ["method" = "tools/list" | "tools/call" | "prompts/list" | "prompts/get" | "resources/list" | "resources/templates/list" | "resources/read" | "other", "tool" = "" | "shim_auto_checkpoint" | "shim_check_recovery" | "shim_monitor_signals" | "shim_session_status" | "shim_coordinate_task" | "shim_worker_task", "outcome" = "ok" | "error" | "refused"] "MCP requests about tools, prompts or resources; the outcome is ok, error (the model reads why) or refused."
        "shim_mcp_sessions" Gauge Count [] "MCP sessions over HTTP that are open; the longest idle one ends when there are too many."
        "shim_mcp_damaged_frames_total" Counter Count ["outcome" = "repaired" | "refused" | "ignored"] "Messages of MCP clients that could not be read as they came: repaired (half characters), refused with the reason, or ignored because they ask for no answer."
    }
    "checkpoint" {
        "shim_checkpoint_saves_total" Counter Count ["trigger" = "manual" | "periodic" | "milestone" | "pre_compact" | "danger_zone" | "session_end" | "fork" | "observed" | "turn_end" | "transcript"] "Checkpoints acknowledged, by what made them."
        "shim_checkpoint_observed_events_total" Counter Count ["kind" = "session_started" | "prompt_submitted" | "tool_call_started" | "tool_call_finished" | "compaction_started" | "compaction_finished" | "turn_ended" | "subagent_started" | "subagent_ended" | "cwd_changed" | "session_ended" | "usage_measured", "source" = "hook" | "spool" | "status_line" | "transcript"] "Events kept that clients told of their conversations by themselves, by what happened and where it was seen."
        "shim_checkpoint_state_bytes" Histogram Bytes [] "Size of a checkpoint's state, compressed."
        "shim_checkpoint_commit_batch_jobs" Histogram Count [] "Changes that shared one commit."
        "shim_checkpoint_commit_sync_seconds" Histogram Seconds [] "One commit: the write-ahead log written and synced to the disk."
        "shim_checkpoint_store_errors_total" Counter Count [] "Commits that failed: disk full, read-only, damaged."
        "shim_checkpoint_damaged_total" Counter Count [] "Times the hash of a stored session or checkpoint did not fit, so that it was not returned."
        "shim_checkpoint_database_bytes" Gauge Bytes [] "The database file and its write-ahead log."
        "shim_checkpoint_sessions" Gauge Count ["state" = "active" | "interrupted" | "ended"] "Sessions in each state."
        "shim_checkpoint_risk_assessments_total" Counter Count ["level" = "safe" | "warning" | "danger"] "Assessments of a session's risk: safe, warning, danger."
        "shim_checkpoint_sessions_interrupted_total" Counter Count ["cause" = "unknown" | "client_closed" | "killed" | "out_of_memory" | "reboot" | "lease_expired"] "Sessions found dead, by cause."
        "shim_checkpoint_sessions_recovered_total" Counter Count ["cause" = "unknown" | "client_closed" | "killed" | "out_of_memory" | "reboot" | "lease_expired"] "Interrupted sessions that live again, restored or because their owner came back, by what had interrupted them."
        "shim_checkpoint_recovery_fidelity_ratio" Histogram Ratio [] "How well a session resumed, as its client told, 0 to 1."
        "shim_checkpoint_lease_expiries_total" Counter Count [] "Sessions interrupted because their lease ran out without a word from the client."
        "shim_checkpoint_detection_delay_seconds" Histogram Seconds [] "From a session's last sign of life to its being marked interrupted."
        "shim_checkpoint_pruned_total" Counter Count [] "Checkpoints whose content was removed: by retention, Prune or a deletion."
    }
    "evolution" {
        "shim_evolution_operations_total" Counter Count ["operation" = "analyze" | "evolve" | "approve" | "revert" | "generate_tests", "outcome" = "ok" | "failed"] "Analyses, proposals, decisions, reverts and generations of tests that ended, by calls and by tasks."
        "shim_evolution_operation_duration_seconds" Histogram Seconds ["operation" = "analyze" | "evolve" | "approve" | "revert" | "generate_tests"] "From the beginning of one to its end, the wait for room included."
        "shim_evolution_outcomes_total" Counter Count ["outcome" = "accepted" | "rejected" | "reverted" | "broken"] "What became of evolutions: accepted and committed, rejected by somebody, reverted after the commit, broken and discarded by verification."
    }
    "coordination and worker" {
        "shim_redis_up" Gauge Count [] "1 while Redis answers."
        "shim_redis_memory_bytes" Gauge Bytes [] "What Redis takes of memory, whoever uses it."
        "shim_redis_max_memory_bytes" Gauge Bytes [] "What Redis may take (maxmemory); 0 if there is no bound."
        "shim_redis_call_duration_seconds" Histogram Seconds [] "One script, from sending it to its answer."
        "shim_redis_errors_total" Counter Count ["kind" = "unavailable" | "full" | "slow" | "other"] "Calls to Redis that failed: unavailable, full, slow, other."
        "shim_worker_deaths_total" Counter Count [] "Workers found dead."
        "shim_worker_death_detection_delay_seconds" Histogram Seconds [] "From the moment a worker counted as dead to its being known."
        "shim_state_conflicts_total" Counter Count [] "Compare-and-sets that met another version."
        "shim_locks_acquired_total" Counter Count ["outcome" = "granted" | "refused"] "Locks asked for: granted or refused."
        "shim_file_leases_total" Counter Count ["outcome" = "granted" | "refused"] "File leases asked for: granted or refused."
        "shim_messages_sent_total" Counter Count [] "Messages put into inboxes."
        "shim_stale_writes_refused_total" Counter Count ["what" = "task" | "state" | "lock" | "files"] "Writes of those who lost their lease: a task's report, state, a lock, files."
        "shim_tasks_submitted_total" Counter Count [] "Jobs and their subtasks taken in."
        "shim_tasks_claimed_total" Counter Count ["executor" = "chat" | "agent" | "command" | "analysis" | "foreign"] "Tasks given to a worker; foreign are other programs on the same queues."
        "shim_tasks_ended_total" Counter Count ["state" = "completed" | "failed" | "cancelled"] "Tasks ended: completed, failed, cancelled."
        "shim_task_wait_seconds" Histogram Seconds [] "From the moment a task could run to its claim."
        "shim_task_duration_seconds" Histogram Seconds ["kind"] "From the claim to the result; the first 32 kinds by name, the rest as other."
        "shim_task_retries_total" Counter Count ["reason" = "failed" | "released" | "held" | "died"] "Tasks put back: failed, released, held for their worker can do none now, or their worker died."
        "shim_tasks_dead_lettered_total" Counter Count [] "Tasks that failed for good and can be retried by hand."
        "shim_dead_letters_forgotten_total" Counter Count [] "Dead letters forgotten because there were more than tasks.keep_dead_letters."
        "shim_task_requeue_delay_seconds" Histogram Seconds [] "From a worker's death being known to its task waiting for another."
    }
    "coordination" {
        "shim_queue_depth" Gauge Count ["priority" = "high" | "normal" | "low"] "Tasks that wait for a worker: high (1 to 33), normal (to 66), low."
        "shim_queue_oldest_age_seconds" Gauge Seconds ["priority" = "high" | "normal" | "low"] "How long the first of them has waited."
        "shim_tasks_running" Gauge Count [] "Tasks that a worker has."
        "shim_outbox_depth" Gauge Count [] "Changes of tasks that BullMQ's queues do not show yet."
        "shim_queues_in_use" Gauge Count [] "Queues whose tasks have not all ended, one for each different set of requirements; there may be 512, and 256 of one caller."
        "shim_messages_owed" Gauge Count [] "Messages to submitters of jobs that wait for room in full inboxes."
        "shim_store_keys" Gauge Count ["kind" = "tasks" | "queues" | "state" | "locks" | "files" | "messages" | "workers" | "requests" | "other"] "Keys in Redis, by what they are for, as measured within the last minute."
        "shim_store_bytes" Gauge Bytes ["kind" = "tasks" | "queues" | "state" | "locks" | "files" | "messages" | "workers" | "requests" | "other"] "Bytes of Redis's memory, by what they are for, as measured within the last minute."
        "shim_queues_held" Gauge Count ["hold" = "paused" | "rate_limit" | "concurrency"] "Queues that BullMQ holds back, though workers may be free: paused, at their rate limit, at their limit of tasks at a time."
        "shim_queue_held_tasks" Gauge Count ["hold" = "paused" | "rate_limit" | "concurrency"] "Tasks that wait in these queues."
        "shim_workers" Gauge Count ["state" = "starting" | "idle" | "busy" | "draining"] "Workers that live, by state."
        "shim_workers_unfit" Gauge Count ["executor" = "chat" | "agent" | "command" | "analysis"] "Workers that live and can do no task now: a limit, a key, a missing program."
        "shim_worker_load_ratio" Gauge Ratio ["executor" = "chat" | "agent" | "command" | "analysis"] "Tasks in work over the capacity, by the workers' executor."
    }
};
