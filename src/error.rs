//! What a person is told when a command fails: one `error:` line, one `hint:` line, and an exit code.
//!
//! Services word their remedies in terms of RPCs; here they are put into the words of the command line.

use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::process::ExitCode;

use shim_runtime::config::{ConfigErrors, EXIT_CONFIG};
use shim_runtime::service_error;
use shim_runtime::stack::StackError;
use tonic::{Code, Status};

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct CliError {
    message: String,
    hint: Option<String>,
    exit: u8,
}

impl CliError {
    /// A failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: 1,
        }
    }

    /// A failure of what was asked for, with the exit code of a wrong configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: EXIT_CONFIG,
            ..Self::new(message)
        }
    }

    /// Adds what the person can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what could not be done, in front of why.
    pub(crate) fn while_doing(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Prints the failure to stderr and yields the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("error: {}", self.message);
        }
        if let Some(hint) = self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.exit)
    }
}

impl Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigErrors> for CliError {
    fn from(errors: ConfigErrors) -> Self {
        Self::usage(errors.to_string())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            // The reader of our output (`head`, a closed pager) has seen enough: that is no failure.
            return Self {
                message: String::new(),
                hint: None,
                exit: 0,
            };
        }
        Self::new(error.to_string())
    }
}

impl From<StackError> for CliError {
    fn from(error: StackError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            StackError::AlreadyRunning => failure.hint("stop it with `shim down`"),
            StackError::DataDir(..) => {
                failure.hint("choose another folder with --data-dir, or run `shim doctor`")
            }
            StackError::Spawn(..) | StackError::NotReady(..) => {
                failure.hint("`shim doctor` finds the usual causes")
            }
        }
    }
}

impl From<tonic::transport::Error> for CliError {
    fn from(error: tonic::transport::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        let decoded = service_error::decode(&status);
        let hint = remedy(&decoded.reason)
            .map(str::to_owned)
            .or_else(|| match decoded.code {
                Code::Unavailable => {
                    Some("see `shim status`; start the stack with `shim up --detach`".to_owned())
                }
                _ => decoded.remedy.clone(),
            });
        if decoded.code == Code::Unimplemented && decoded.message.is_empty() {
            return Self::new("the service that runs does not know this call")
                .hint("it is of another version; restart it: `shim down && shim up --detach`");
        }
        Self {
            message: format!("{} ({})", decoded.message, decoded.reason),
            hint,
            exit: 1,
        }
    }
}

/// The remedy of a stable reason, for people at a terminal.
fn remedy(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "SESSION_NOT_FOUND" => "`shim sessions list` shows the sessions there are",
        "CHECKPOINT_NOT_FOUND" => "`shim sessions show SESSION` shows its checkpoints",
        "SESSION_OWNED" => {
            "close that client first, or repeat with --take-over (restore) or --force (end, delete)"
        }
        "SESSION_ENDED" => "fork one of its checkpoints with `shim sessions fork CHECKPOINT`",
        "CHECKPOINT_DAMAGED" => {
            "use an older checkpoint; `shim sessions verify` lists the damaged ones"
        }
        "CHECKPOINT_THINNED" => {
            "use a newer checkpoint; `shim sessions show SESSION` tells which have content"
        }
        "NOT_INTERRUPTED" => {
            "only interrupted sessions are dismissed; `shim sessions end` ends one for good"
        }
        "STATE_NOT_FOUND" => "`shim state list` shows what there is; see -n for another namespace",
        "VERSION_MISMATCH" => {
            "look at it again with `shim state get KEY`, and expect the version it has now"
        }
        "LOCK_HELD" => "`shim locks show NAME` tells who holds it",
        "LOCK_LOST" | "STALE_FENCE" => "the lock is held by another now; `shim locks show NAME`",
        "FILES_HELD" => {
            "wait with --wait, ask the holder with `shim messages send`, or see `shim files list`"
        }
        "LEASE_LOST" => "it ended or was given back; `shim files list` shows those that are held",
        "WORKER_NOT_FOUND" => "`shim workers list --all` shows the workers there are",
        "TASK_NOT_FOUND" => {
            "`shim tasks list` shows the jobs there are; ended ones are forgotten after a while"
        }
        "TASK_NOT_AWAITING_APPROVAL" => "`shim tasks show TASK` tells where it is",
        "TASK_NOT_RETRYABLE" => {
            "only what failed or was called off is retried; `shim tasks show TASK` tells where it is"
        }
        "TOO_MANY_TASKS" => "let tasks end first; `shim tasks health` shows what waits",
        "NO_ROOM" => "it runs as many tasks as it may; start another with `shim workers start`",
        "NO_RECIPIENTS" => "`shim workers list` shows the capabilities of those that live",
        "NO_REDIS" => crate::up::redis::REMEDY,
        "STORE_FULL" => "give Redis more memory (maxmemory), or let entries and messages go",
        "STORE_UNAVAILABLE" => "run `shim doctor`",
        "DISK_FULL" => "free space, or drop old contents with `shim sessions prune`",
        "TOKEN_REFUSED" | "TOKEN_EXPIRED" => {
            "set auth.token_file to a file that begins with a token of the server"
        }
        "ROLE_REFUSED" => {
            "this needs a token with a stronger role, on the first line of auth.token_file"
        }
        "TOO_FAST" => "wait, or raise limits.calls_per_second where the service runs",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_runtime::service_error::ServiceError;

    #[test]
    fn a_remedy_of_the_wire_is_put_into_words_of_the_command_line() {
        let failure = CliError::from(Status::from(ServiceError {
            code: Code::NotFound,
            reason: "SESSION_NOT_FOUND",
            message: "there is no session x".into(),
            remedy: Some("list them with ListSessions".into()),
            retry_after: None,
        }));
        assert_eq!(failure.message, "there is no session x (SESSION_NOT_FOUND)");
        assert!(
            failure
                .hint
                .is_some_and(|hint| hint.contains("shim sessions list"))
        );
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let failure = CliError::from(std::io::Error::from(ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (0, ""));
    }
}
