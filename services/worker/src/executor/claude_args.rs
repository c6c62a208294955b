//! The arguments by which `claude` is told more than its configuration says: its conversation, its budget. Pure.

use std::ops::Not;

use uuid::Uuid;

/// Flags that decide about the conversation already, or that keep none.
const OWN_CONVERSATION: [&str; 8] = [
    "--session-id",
    "--resume",
    "-r",
    "--continue",
    "-c",
    "--fork-session",
    "--from-pr",
    "--no-session-persistence",
];
const BUDGET: &str = "--max-budget-usd";
/// How often `claude` repeats a call of the API unless the environment says otherwise. It would repeat it ten times, which
/// takes three minutes; the worker waits better, and another worker may do the task meanwhile.
pub(super) const MAX_RETRIES: (&str, &str) = ("CLAUDE_CODE_MAX_RETRIES", "4");

/// What an agent's configured arguments leave to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freedom {
    /// They are those of `claude -p --output-format stream-json`, so that more of its flags may follow.
    is_claude: bool,
    has_conversation: bool,
    has_budget: bool,
}

/// The conversation that an attempt is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversation {
    /// A new one under this id.
    New(Uuid),
    /// The one that an earlier attempt had.
    Earlier(Uuid),
}

impl Freedom {
    pub(super) fn of(args: &[String]) -> Self {
        let is = |names: &[&str]| {
            let named = |arg: &String| names.contains(&arg.split('=').next().unwrap_or(arg));
            args.iter().any(named)
        };
        let format = args.iter().position(|arg| arg == "--output-format");
        let format = format.and_then(|at| args.get(at + 1)).map(String::as_str);
        let is_stream = format == Some("stream-json")
            || args.iter().any(|arg| arg == "--output-format=stream-json");
        Self {
            is_claude: is_stream && is(&["-p", "--print"]) && is(&["--"]).not(),
            has_conversation: is(&OWN_CONVERSATION),
            has_budget: is(&[BUDGET]),
        }
    }

    /// Whether the arguments are those of `claude`.
    pub(super) fn is_claude(self) -> bool {
        self.is_claude
    }

    /// Whether the worker may say which conversation it is.
    pub(super) fn takes_conversation(self) -> bool {
        self.is_claude && !self.has_conversation
    }

    /// Whether the worker may say what it may cost.
    pub(super) fn takes_budget(self) -> bool {
        self.is_claude && !self.has_budget
    }
}

impl Conversation {
    pub(super) fn id(self) -> Uuid {
        match self {
            Self::New(id) | Self::Earlier(id) => id,
        }
    }

    pub(super) fn args(self) -> [String; 2] {
        let flag = match self {
            Self::New(_) => "--session-id",
            Self::Earlier(_) => "--resume",
        };
        [flag.to_owned(), self.id().to_string()]
    }
}

/// The arguments for what an attempt may cost, in US dollars. `claude` counts what its process spends, also in an earlier
/// conversation.
pub(super) fn budget_args(dollars: f64) -> [String; 2] {
    [BUDGET.to_owned(), format!("{dollars:.6}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freedom(args: &str) -> (bool, bool, bool) {
        let args: Vec<_> = args.split_whitespace().map(str::to_owned).collect();
        let freedom = Freedom::of(&args);
        (
            freedom.is_claude(),
            freedom.takes_conversation(),
            freedom.takes_budget(),
        )
    }

    #[test]
    fn what_the_configuration_decided_is_left_alone() {
        for (args, expected) in [
            (
                "-p --output-format stream-json --verbose",
                (true, true, true),
            ),
            (
                "--print --output-format=stream-json --model opus",
                (true, true, true),
            ),
            (
                "-p --output-format stream-json --resume=x",
                (true, false, true),
            ),
            ("-p --output-format stream-json -c", (true, false, true)),
            (
                "-p --output-format stream-json --max-budget-usd 2",
                (true, true, false),
            ),
            ("-p --output-format json", (false, false, false)),
            ("--output-format stream-json", (false, false, false)),
            (
                "-p --output-format stream-json -- words",
                (false, false, false),
            ),
            ("-c exit", (false, false, false)),
            ("", (false, false, false)),
        ] {
            assert_eq!(freedom(args), expected, "{args}");
        }
    }

    #[test]
    fn a_conversation_is_named_and_then_taken_up() {
        let id = Uuid::from_u128(7);
        let text = "00000000-0000-0000-0000-000000000007";
        assert_eq!(Conversation::New(id).args(), ["--session-id", text]);
        assert_eq!(Conversation::Earlier(id).args(), ["--resume", text]);
        assert_eq!(budget_args(0.25), ["--max-budget-usd", "0.250000"]);
    }
}
