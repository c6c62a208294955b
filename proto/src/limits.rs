//! The limits of the contract, as the comments of the `.proto` files state them: bytes, items, page sizes and spans.
//!
//! Servers refuse what is beyond; clients that check first name the same limit. Texts are counted in bytes of UTF-8,
//! free-form values in bytes encoded.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The largest message a server decodes. It is above the largest field, so that a refusal names the field.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// An idempotency key; visible ASCII.
pub const MAX_REQUEST_ID_BYTES: usize = 128;
/// Items of a list without a tighter limit.
pub const MAX_LIST: usize = 1_000;
/// Levels of a free-form value: prost decodes 100 nested messages, and a level of a `Struct` costs three.
pub const MAX_FREE_FORM_DEPTH: usize = 32;
/// Entries of a page when the request names none.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// Entries of a page.
pub const MAX_PAGE_SIZE: u32 = 1_000;
/// A path.
pub const MAX_PATH_BYTES: usize = 4_096;
/// Versions, epochs and tokens: Lua counts in doubles, which are exact up to here; no clock gets there.
pub const MAX_VERSION: u64 = 1 << 53;
/// How long a call of the coordination service waits.
pub const MAX_WAIT: Duration = Duration::from_secs(25);

/// Sessions and checkpoints.
pub mod checkpoint {
    use super::{DAY, Duration};

    /// `CheckpointState`, encoded.
    pub const MAX_STATE_BYTES: usize = 1 << 20;
    /// `CheckpointState`, encoded, with what it carried over: below what a reader unpacks.
    pub const MAX_MERGED_STATE_BYTES: usize = 3 << 20;
    /// `CheckpointState`, encoded, with what it carried over and what was observed: what a reader unpacks.
    pub const MAX_KEPT_STATE_BYTES: usize = 4 << 20;
    /// A task's name in its session.
    pub const MAX_TASK_KEY_BYTES: usize = 200;
    /// Tasks that a session lists.
    pub const MAX_SESSION_TASKS: usize = 16;
    /// Paths of a work tree's changes.
    pub const MAX_CHANGED_PATHS: usize = 20;
    /// A fingerprint in hex.
    pub const MAX_FINGERPRINT_BYTES: usize = 64;
    /// The task, a decision, a step, a blocker, the notes of a resume.
    pub const MAX_ITEM_BYTES: usize = 8_192;
    /// The conversation in short.
    pub const MAX_SUMMARY_BYTES: usize = 256 << 10;
    /// The project's folder or name.
    pub const MAX_PROJECT_BYTES: usize = 4_096;
    /// A session's title.
    pub const MAX_TITLE_BYTES: usize = 500;
    /// Why a session was detached.
    pub const MAX_REASON_BYTES: usize = 500;
    /// Name, version and conversation of a client, each.
    pub const MAX_CLIENT_BYTES: usize = 200;
    /// The host of a client (RFC 1035, 2.3.4).
    pub const MAX_HOSTNAME_BYTES: usize = 255;
    /// The kernel's boot id.
    pub const MAX_BOOT_ID_BYTES: usize = 64;
    /// A commit in hex.
    pub const MAX_COMMIT_BYTES: usize = 64;
    /// A branch's name.
    pub const MAX_BRANCH_BYTES: usize = 500;
    /// Bytes of what tells one folder of a repository from another.
    pub const MAX_REPOSITORY_BYTES: usize = 64;
    /// A remark on how a file was seen.
    pub const MAX_FILE_NOTE_BYTES: usize = 500;
    /// A search.
    pub const MAX_QUERY_BYTES: usize = 1_000;
    /// Sessions or hits of one answer when the request names no number.
    pub const DEFAULT_RESULTS: u32 = 10;
    /// Sessions or hits of one answer.
    pub const MAX_RESULTS: u32 = 100;
    /// Tokens and calls in signals.
    pub const MAX_COUNT: u64 = 1_000_000_000;
    /// The latency in signals, in milliseconds.
    pub const MAX_LATENCY_MS: f64 = 86_400_000.0;
    /// The age from which pruning drops contents when the request names none.
    pub const DEFAULT_PRUNE_AGE: Duration = DAY.saturating_mul(30);
    /// How many newest checkpoints of a session pruning keeps when the request names no number.
    pub const DEFAULT_KEEP: u32 = 10;
    /// How many newest checkpoints of a session pruning may be asked to keep.
    pub const MAX_KEEP: u32 = 1_000_000;
}

/// What a client tells of its conversations by itself.
pub mod observation {
    use super::{DAY, Duration};

    /// Events of one request.
    pub const MAX_EVENTS: usize = 1_000;
    /// The client's name of a conversation.
    pub const MAX_CONVERSATION_BYTES: usize = 200;
    /// Ids of tool calls, prompts, steps and subagents; names of tools, models and kinds of subagents.
    pub const MAX_NAME_BYTES: usize = 200;
    /// A prompt.
    pub const MAX_PROMPT_BYTES: usize = 8_192;
    /// What a tool call is about; an error.
    pub const MAX_LINE_BYTES: usize = 500;
    /// Files that a tool call names.
    pub const MAX_FILES: usize = 50;
    /// Steps of a model's own list.
    pub const MAX_STEPS: usize = 200;
    /// One of them.
    pub const MAX_STEP_BYTES: usize = 1_000;
    /// The client's summary of a compaction.
    pub const MAX_COMPACTION_BYTES: usize = 65_536;
    /// The model's last text.
    pub const MAX_ANSWER_BYTES: usize = 8_192;
    /// How far ahead of the service's clock an event may be.
    pub const MAX_AHEAD: Duration = DAY;
    /// Edited files that are kept.
    pub const MAX_EDITED_FILES: usize = 200;
    /// Open tool calls that are kept.
    pub const MAX_OPEN_CALLS: usize = 50;
    /// Running subagents that are kept.
    pub const MAX_SUBAGENTS: usize = 50;
    /// All that is kept of a conversation but its events and the summary of its compaction, encoded.
    pub const MAX_OBSERVED_BYTES: usize = 256 << 10;
    /// Events of a session that are kept, the newest.
    pub const MAX_KEPT_EVENTS: u64 = 2_000;
    /// How long events are kept.
    pub const EVENTS_KEPT_FOR: Duration = DAY.saturating_mul(7);
    /// Sessions that an answer names.
    pub const MAX_SESSION_IDS: usize = 100;
    /// Events of one answer.
    pub const MAX_ANSWERED_EVENTS: u32 = 1_000;
}

/// State, locks, files and messages.
pub mod coordination {
    use std::ops::RangeInclusive;

    use super::{DAY, Duration, HOUR, MINUTE};

    /// A namespace or workspace.
    pub const MAX_NAME_BYTES: usize = 128;
    /// A key of the shared state, a lock's name.
    pub const MAX_KEY_BYTES: usize = 512;
    /// The one that acts: a session, task or worker id, or any name.
    pub const MAX_ACTOR_BYTES: usize = 200;
    /// What a lock or lease is for.
    pub const MAX_PURPOSE_BYTES: usize = 500;
    /// An entry of the shared state, encoded.
    pub const MAX_ENTRY_BYTES: usize = 1 << 20;
    /// Top-level fields of an entry.
    pub const MAX_FIELDS: usize = 1_000;
    /// How long an entry is kept.
    pub const STATE_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY.saturating_mul(30);
    /// How long an entry is kept when the request does not say.
    pub const DEFAULT_STATE_TTL: Duration = HOUR;
    /// How long a lock is held without renewal.
    pub const LOCK_TTL: RangeInclusive<Duration> = Duration::from_millis(100)..=HOUR;
    /// How long a lock is held when the request does not say.
    pub const DEFAULT_LOCK_TTL: Duration = Duration::from_secs(30);
    /// How long files are leased without renewal.
    pub const FILES_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;
    /// How long files are leased when the request does not say.
    pub const DEFAULT_FILES_TTL: Duration = MINUTE.saturating_mul(10);
    /// Patterns of one lease.
    pub const MAX_PATTERNS: usize = 100;
    /// One pattern of a lease.
    pub const MAX_PATTERN_BYTES: usize = 512;
    /// A channel's name.
    pub const MAX_CHANNEL_BYTES: usize = 128;
    /// Channels, and patterns of channels, of one subscription.
    pub const MAX_TOPICS: usize = 100;
    /// What is published, encoded.
    pub const MAX_EVENT_BYTES: usize = 256 << 10;
    /// The text of a message.
    pub const MAX_MESSAGE_TEXT_BYTES: usize = 16 << 10;
    /// The data of a message, encoded.
    pub const MAX_MESSAGE_DATA_BYTES: usize = 64 << 10;
    /// The sender of SHIM's own messages; nobody else may call itself so.
    pub const OWN_SENDER: &str = "shim";
    /// Entries of the shared state of one namespace.
    pub const MAX_NAMESPACE_ENTRIES: usize = 10_000;
    /// All entries of the shared state of one namespace, as they are stored.
    pub const MAX_NAMESPACE_BYTES: usize = 64 << 20;
    /// Locks that are held in one namespace.
    pub const MAX_NAMESPACE_LOCKS: usize = 10_000;
    /// Namespaces that hold something, or were used lately.
    pub const MAX_NAMESPACES: usize = 10_000;
    /// Those that one caller was the first to use.
    pub const MAX_CALLER_NAMESPACES: usize = 2_500;
    /// Inboxes that others than SHIM itself write to.
    pub const MAX_INBOXES: usize = 20_000;
    /// Those that one caller was the first to write to.
    pub const MAX_CALLER_INBOXES: usize = 5_000;
    /// Unread messages in one inbox.
    pub const MAX_INBOX_MESSAGES: usize = 1_000;
    /// How many of them only SHIM's own messages may be.
    pub const OWN_INBOX_MESSAGES: usize = 100;
    /// Unread messages of one sender in one inbox.
    pub const MAX_SENDER_MESSAGES: usize = 200;
    /// Unread messages of one caller in one inbox, under whatever names it sends.
    pub const MAX_CALLER_MESSAGES: usize = 600;
    /// All unread messages of one inbox but SHIM's own, encoded.
    pub const MAX_INBOX_BYTES: usize = 16 << 20;
}

/// Jobs, tasks and what a worker reports of them.
pub mod task {
    use std::ops::RangeInclusive;

    use super::{DAY, Duration, HOUR};

    /// Subtasks of a job.
    pub const MAX_SUBTASKS: usize = 1_000;
    /// A subtask's name in its job.
    pub const MAX_KEY_BYTES: usize = 100;
    /// What is to be achieved.
    pub const MAX_GOAL_BYTES: usize = 8 << 10;
    /// The kind of work.
    pub const MAX_KIND_BYTES: usize = 100;
    /// What the executor needs to know, encoded.
    pub const MAX_PAYLOAD_BYTES: usize = 64 << 10;
    /// Why a task is called off, turned down or released.
    pub const MAX_REASON_BYTES: usize = 1_024;
    /// A path or pattern that a task is about.
    pub const MAX_PATTERN_BYTES: usize = 1_024;
    /// Capabilities that a worker must have.
    pub const MAX_REQUIRED_CAPABILITIES: usize = 20;
    /// The last priority; the first is 1.
    pub const LAST_PRIORITY: u32 = 100;
    /// A subtask's share: beyond, a small share would vanish in the sum.
    pub const MAX_WEIGHT: f64 = 1e9;
    /// Files that a job is about.
    pub const MAX_FILES: usize = 1_000;
    /// Files of one subtask.
    pub const MAX_SUBTASK_FILES: usize = 100;
    /// Steps of a job.
    pub const MAX_STEPS: usize = 1_000;
    /// One step.
    pub const MAX_STEP_BYTES: usize = 1_024;
    /// All steps: they go to every part that is split by files.
    pub const MAX_ALL_STEPS_BYTES: usize = 64 << 10;
    /// Subtasks that one subtask waits for.
    pub const MAX_DEPENDENCIES: usize = 100;
    /// The workspace of the files.
    pub const MAX_WORKSPACE_BYTES: usize = 1_024;
    /// Attempts of a task.
    pub const MAX_ATTEMPTS: u32 = 20;
    /// How long a task may wait before it starts.
    pub const MAX_DELAY: Duration = DAY.saturating_mul(30);
    /// How long one attempt may take.
    pub const MAX_TIMEOUT: Duration = HOUR.saturating_mul(12);
    /// The pause after the first failure when the request names none.
    pub const DEFAULT_BACKOFF: Duration = Duration::from_secs(2);
    /// The pause after a failure.
    pub const MAX_BACKOFF: Duration = HOUR;
    /// A job with its subtasks and what they take over from it, encoded; one answer holds all of it.
    pub const MAX_PLAN_BYTES: usize = 8 << 20;
    /// A cron expression.
    pub const MAX_SCHEDULE_BYTES: usize = 200;
    /// What a task does now.
    pub const MAX_NOTE_BYTES: usize = 1_024;
    /// The reason of a failed task.
    pub const MAX_ERROR_REASON_BYTES: usize = 100;
    /// What happened when a task failed.
    pub const MAX_ERROR_BYTES: usize = 8 << 10;
    /// The text of a result.
    pub const MAX_RESULT_TEXT_BYTES: usize = 256 << 10;
    /// The data of a result, encoded.
    pub const MAX_RESULT_DATA_BYTES: usize = 256 << 10;
    /// Artifacts of a result.
    pub const MAX_ARTIFACTS: usize = 100;
    /// Permissions that were denied while a result came about.
    pub const MAX_DENIALS: usize = 50;
    /// Remarks on a result.
    pub const MAX_REMARKS: usize = 20;
    /// One denial or remark.
    pub const MAX_REMARK_BYTES: usize = 1_024;
    /// Tokens that a task used.
    pub const MAX_TOKENS: u64 = 1 << 40;
    /// What a task cost, in US dollars.
    pub const MAX_COST_USD: f64 = 1_000_000.0;
    /// Jobs of a page.
    pub const MAX_PAGE_SIZE: u32 = 500;
    /// Queues that one request names.
    pub const MAX_NAMED_QUEUES: usize = 1_000;
    /// A queue's name.
    pub const MAX_QUEUE_NAME_BYTES: usize = 200;
    /// Jobs that have not ended.
    pub const MAX_JOBS: usize = 1_000_000;
    /// How long ago jobs ended that are forgotten on demand.
    pub const PRUNE_OLDER_THAN: RangeInclusive<Duration> =
        Duration::ZERO..=DAY.saturating_mul(3_650);
    /// Queues in use, one for each different set of requirements of tasks that have not ended.
    pub const MAX_QUEUES: usize = 512;
    /// Queues in use that one caller opened.
    pub const MAX_CALLER_QUEUES: usize = 256;
    /// Different sets of requirements in one job.
    pub const MAX_JOB_QUEUES: usize = 64;
}

/// Workers.
pub mod worker {
    use super::{Duration, HOUR};

    /// Workers that are registered and alive.
    pub const MAX_WORKERS: usize = 10_000;
    /// A worker's or an executor's name.
    pub const MAX_NAME_BYTES: usize = 200;
    /// The machine it runs on.
    pub const MAX_NODE_BYTES: usize = 255;
    /// Its program's version.
    pub const MAX_VERSION_BYTES: usize = 100;
    /// What troubles it, and why it goes.
    pub const MAX_DETAIL_BYTES: usize = 500;
    /// The kernel's boot id.
    pub const MAX_BOOT_ID_BYTES: usize = 64;
    /// The kernel's names of namespaces.
    pub const MAX_NAMESPACES_BYTES: usize = 200;
    /// The processes it lives in.
    pub const MAX_PROCESSES: usize = 4;
    /// Tasks it takes at once.
    pub const MAX_CAPACITY: u32 = 1_000;
    /// Tasks that a worker of the service takes at once.
    pub const MAX_STARTED_CAPACITY: u64 = 64;
    /// What it can do.
    pub const MAX_CAPABILITIES: usize = 100;
    /// One thing that it can do.
    pub const MAX_CAPABILITY_BYTES: usize = 100;
    /// How long a claim waits for a task.
    pub const MAX_CLAIM_WAIT: Duration = Duration::from_secs(30);
    /// How long a drain takes when the request does not say.
    pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);
    /// How long a drain may take.
    pub const MAX_DRAIN: Duration = HOUR.saturating_mul(12);
}

/// Analyses, evolutions and generated tests.
pub mod evolution {
    /// The kinds of tasks that the evolution service does.
    pub const TASK_KINDS: [&str; 3] = ["analyze", "evolve", "generate_tests"];
    /// Parts that an analysis is split into unless its payload says how many.
    pub const PARTS: u32 = 8;
    /// The most parts of an analysis.
    pub const MAX_PARTS: u32 = 64;
    /// An analysis of a project with more source files is split.
    pub const SPLIT_ABOVE_FILES: usize = 1_000;
    /// Ends of names of source files, after the last dot.
    pub const SOURCE_EXTENSIONS: [&str; 8] = ["js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts"];
    /// Files and folders that a call is limited to.
    pub const MAX_INCLUDE: usize = 1_000;
    /// Transforms that one call names.
    pub const MAX_TRANSFORMS: usize = 64;
    /// A transform's name.
    pub const MAX_TRANSFORM_BYTES: usize = 64;
    /// Options of a transform, encoded.
    pub const MAX_OPTIONS_BYTES: usize = 64 << 10;
    /// Why an evolution is rejected or taken back.
    pub const MAX_REASON_BYTES: usize = 2_000;
    /// Opportunities, hotspots and figures of a report when the request names no number.
    pub const DEFAULT_ITEMS: u32 = 20;
    /// Opportunities, hotspots and figures of a report.
    pub const MAX_ITEMS: u32 = 1_000;
    /// Proposals of one call when the request names no number.
    pub const DEFAULT_PROPOSALS: u32 = 20;
    /// Proposals of one call.
    pub const MAX_PROPOSALS: u32 = 100;
    /// Functions that get tests when the request names no number.
    pub const DEFAULT_FUNCTIONS: u32 = 20;
    /// Functions that get tests.
    pub const MAX_FUNCTIONS: u32 = 200;
    /// What no transform does and agents get from one task: each costs money.
    pub const MAX_AGENTS: u32 = 20;
    /// The largest seed that a task names: every reader of JSON keeps it.
    pub const MAX_SEED: u64 = (1 << 53) - 1;
    /// The shortest part of an id that names an evolution.
    pub const MIN_ID_BYTES: usize = 6;
    /// An id, or the beginning or end of one.
    pub const MAX_ID_BYTES: usize = 36;
    /// Evolutions that are kept: the oldest that are decided make room.
    pub const MAX_EVOLUTIONS: u32 = 5_000;
    /// An evolution with its diffs, encoded.
    pub const MAX_EVOLUTION_BYTES: usize = 8 << 20;
}
