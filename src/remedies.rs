//! The remedy of each refusal, in the words of the command line. Services word theirs in terms of RPCs.

use shim_proto::reasons;

/// What a hint's command is about: `{SESSION}` in a hint, until the command that was refused says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// A session.
    Session,
    /// A key of the shared state.
    Key,
    /// The flag of a namespace that was named, with a space before it; nothing if none was.
    Namespace,
    /// The flag of a workspace, likewise.
    Workspace,
    /// A task.
    Task,
}

impl Placeholder {
    const ALL: [Self; 5] = [
        Self::Session,
        Self::Key,
        Self::Namespace,
        Self::Workspace,
        Self::Task,
    ];

    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Session => "{SESSION}",
            Self::Key => "{KEY}",
            Self::Namespace => "{NAMESPACE}",
            Self::Workspace => "{WORKSPACE}",
            Self::Task => "{TASK}",
        }
    }

    /// A hint whose placeholders are but their names, for a refusal of which no more is known.
    pub(crate) fn name_all(hint: &str) -> String {
        Self::ALL.iter().fold(hint.to_owned(), |hint, placeholder| {
            let mark = placeholder.mark();
            let name = match placeholder {
                Self::Namespace | Self::Workspace => "",
                _ => mark.trim_matches(['{', '}']),
            };
            hint.replace(mark, name)
        })
    }
}

/// A word as a shell takes it.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Reasons of the contract, and the hint that a person at a terminal gets.
const REMEDIES: &[(&str, &str)] = &[
    (
        reasons::EVOLUTION_NOT_FOUND,
        "`shim evolve list` shows the evolutions there are",
    ),
    (
        reasons::EVOLUTION_STATE,
        "`shim evolve list` tells where each is; `shim evolve PATH` proposes anew",
    ),
    (
        reasons::EVOLUTION_OUTDATED,
        "`shim evolve PATH` proposes anew, from the files as they are now",
    ),
    (
        reasons::EVOLUTION_DAMAGED,
        "`shim evolve PATH` proposes it anew",
    ),
    (
        reasons::TRANSFORM_UNKNOWN,
        "`shim evolve transforms` lists the transforms there are",
    ),
    (
        reasons::PROJECT_NOT_TRUSTED,
        "look at what its scripts, configurations and tests do, then allow it with `shim trust PATH`",
    ),
    (
        reasons::PROJECT_DISTRUSTED,
        "`shim trust PATH` allows it after all",
    ),
    (
        reasons::SESSION_NOT_FOUND,
        "`shim sessions list` shows the sessions there are",
    ),
    (
        reasons::CHECKPOINT_NOT_FOUND,
        "`shim sessions show {SESSION}` shows its checkpoints",
    ),
    (
        reasons::SESSION_OWNED,
        "close that client first, or repeat with --take-over (restore) or --force (end, delete)",
    ),
    (
        reasons::SESSION_ENDED,
        "to go on from its newest checkpoint: `shim sessions fork {SESSION}`",
    ),
    (
        reasons::CHECKPOINT_DAMAGED,
        "use an older checkpoint; `shim sessions verify` lists the damaged ones",
    ),
    (
        reasons::CHECKPOINT_THINNED,
        "use a newer checkpoint; `shim sessions show {SESSION}` tells which have content",
    ),
    (
        reasons::NOT_INTERRUPTED,
        "only interrupted sessions are dismissed; `shim sessions show {SESSION}` tells where it stands",
    ),
    (
        reasons::STATE_NOT_FOUND,
        "`shim state list{NAMESPACE}` shows what there is; see -n for another namespace",
    ),
    (
        reasons::VERSION_MISMATCH,
        "look at it again with `shim state list --prefix {KEY}{NAMESPACE}`, and expect the version it has now",
    ),
    (
        reasons::LOCK_HELD,
        "`shim locks list{NAMESPACE}` tells who holds it",
    ),
    (reasons::LOCK_LOST, LOCK_HELD_BY_ANOTHER),
    (reasons::STALE_FENCE, LOCK_HELD_BY_ANOTHER),
    (
        reasons::FILES_HELD,
        "wait with `--wait 25s`, or ask the holder; `shim files list{WORKSPACE}` shows until when they are held",
    ),
    (
        reasons::LEASE_LOST,
        "it ended or was given back; `shim files list{WORKSPACE}` shows those that are held",
    ),
    (
        reasons::WORKER_NOT_FOUND,
        "`shim workers list --all` shows the workers there are",
    ),
    (
        reasons::TASK_NOT_FOUND,
        "`shim tasks list` shows the jobs there are; ended ones are forgotten after a while",
    ),
    (
        reasons::TASK_NOT_AWAITING_APPROVAL,
        "`shim tasks show {TASK}` tells where it is",
    ),
    (
        reasons::TOO_MANY_TASKS,
        "let jobs end, or `shim tasks cancel TASK` some; `shim tasks health` shows the queues, one for each different set of requirements",
    ),
    (
        reasons::LINEAGE_LIMIT,
        "do the rest in this task or as --subtasks of one job, or raise tasks.max_depth and tasks.max_descendants",
    ),
    (
        reasons::PARENT_CANCELLED,
        "stop working for it; a job of its own is submitted with --no-parent",
    ),
    (
        reasons::NO_ROOM,
        "it runs as many tasks as it may; `shim workers list` shows who has room",
    ),
    (
        reasons::NO_RECIPIENTS,
        "`shim workers list` shows the capabilities of those that live",
    ),
    (
        reasons::INBOX_FULL,
        "let its reader acknowledge some, or clear it with `shim messages clear INBOX`",
    ),
    (
        reasons::QUOTA_EXCEEDED,
        "let something go first: `shim state clear`, `shim locks release LOCK --force`, `shim messages clear INBOX`; `shim doctor` tells what takes room",
    ),
    (reasons::NO_REDIS, INSTALL_REDIS),
    (
        reasons::STORE_FULL,
        "raise redis.maxmemory (of another Redis, its maxmemory), or make room: `shim doctor` tells what takes it; `shim state clear` and `shim messages clear INBOX` work on a full Redis too",
    ),
    (reasons::STORE_UNAVAILABLE, "run `shim doctor`"),
    (
        reasons::DATABASE_REPLACED,
        "run `shim doctor`: it names both ways on",
    ),
    (
        reasons::DISK_FULL,
        "free space, or drop old contents with `shim sessions prune`",
    ),
    (reasons::TOKEN_REFUSED, VALID_TOKEN),
    (reasons::TOKEN_EXPIRED, VALID_TOKEN),
    (
        reasons::ROLE_REFUSED,
        "this needs a token with a stronger role, on the first line of auth.token_file",
    ),
    (
        reasons::TOO_FAST,
        "wait, or raise limits.calls_per_second where the service runs",
    ),
];

const LOCK_HELD_BY_ANOTHER: &str =
    "it is not yours any more; `shim locks list{NAMESPACE}` tells who holds it";
const VALID_TOKEN: &str = "set auth.token_file to a file that begins with a token of the server";

/// The remedy of a missing `redis-server`.
pub(crate) const INSTALL_REDIS: &str =
    "install it with `apt-get install redis-server` or `brew install redis`, or set redis_url";

/// The remedy of a reason, if the command line has a better one than the service.
pub(crate) fn remedy(reason: &str) -> Option<&'static str> {
    let known = REMEDIES.iter().find(|(known, _)| *known == reason);
    known.map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_what_it_is_about_and_a_shell_takes_it() {
        for (word, expected) in [
            ("9a0b1c2d:3", "9a0b1c2d:3"),
            ("build/plan", "build/plan"),
            ("my plan", "'my plan'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
        assert_eq!(
            Placeholder::name_all(
                "`shim locks list{NAMESPACE}`, `shim state get {KEY}{NAMESPACE}`"
            ),
            "`shim locks list`, `shim state get KEY`"
        );
    }

    #[test]
    fn every_remedy_is_of_a_reason_of_the_contract() {
        for (reason, _) in REMEDIES {
            assert!(reasons::ALL.contains(reason), "{reason}");
        }
    }
}
