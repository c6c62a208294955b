//! The failure of a command: one `error:` line, one `hint:` line, and an exit code.
//!
//! Services word their remedies in terms of RPCs; remedies.rs has the words of the command line.

use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::process::ExitCode;

use shim_render::text;
use shim_runtime::config::{ConfigErrors, EXIT_CONFIG};
use shim_runtime::data_dir::Untrusted;
use shim_runtime::service_error;
use shim_runtime::stack::StackError;
use shim_runtime::telemetry;
use tonic::{Code, Status};

use crate::remedies::{Placeholder, remedy};

/// Begins a line of a message that lists what is wrong.
const ITEM: &str = "  - ";

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct CliError {
    message: String,
    hint: Option<String>,
    /// The stable reason of a service's refusal, or of the command's own that says the same; empty for another failure.
    reason: String,
    exit: u8,
}

impl CliError {
    /// A failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            reason: String::new(),
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

    /// Adds the remedy.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Gives a failure that the command found by itself the reason that a service would give.
    pub(crate) fn for_reason(mut self, reason: &str) -> Self {
        reason.clone_into(&mut self.reason);
        self
    }

    /// Whether a service refused it for this reason.
    pub(crate) fn is_for(&self, reason: &str) -> bool {
        self.reason == reason
    }

    /// Puts a remedy that this command knows in place of the general one, if it was refused for this reason.
    pub(crate) fn hint_for(self, reason: &str, hint: impl FnOnce() -> String) -> Self {
        if self.reason == reason {
            self.hint(hint())
        } else {
            self
        }
    }

    /// Puts what the command is about in place of its placeholder, so that the command in the hint can be run as it
    /// stands. Several words are given as a shell takes them ([`shell_word`]).
    pub(crate) fn about(mut self, placeholder: Placeholder, words: impl Display) -> Self {
        self.hint = self
            .hint
            .map(|hint| hint.replace(placeholder.mark(), &words.to_string()));
        self
    }

    /// Puts what could not be done in front of the reason.
    pub(crate) fn while_doing(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Prints the failure to stderr and yields the exit code.
    pub(crate) fn report(self) -> ExitCode {
        telemetry::write_last_words(&self.lines());
        ExitCode::from(self.exit)
    }

    /// The lines that stderr gets; none for a failure without a message.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        let mut message = self.message.lines();
        if let Some(first) = message.next() {
            lines += &format!("error: {}\n", text::line(first));
        }
        // Lists of what is wrong keep their form; whatever else has several lines is set off.
        for more in message {
            let (mark, more) = more
                .strip_prefix(ITEM)
                .map_or(("  > ", more), |item| (ITEM, item));
            lines += &format!("{mark}{}\n", text::line(more));
        }
        if let Some(hint) = &self.hint {
            lines += &format!("hint: {}\n", text::line(&Placeholder::name_all(hint)));
        }
        lines
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
            // The reader of the output (`head`, a closed pager) has ended, which is no failure.
            return Self {
                message: String::new(),
                hint: None,
                reason: String::new(),
                exit: 0,
            };
        }
        Self::new(error.to_string())
    }
}

/// The text of the error has the step that mends the folder.
const UNTRUSTED: &str = "--data-dir takes another folder; SECURITY.md says what is asked of it, and data_dir_shared lifts that in a container";

impl From<Untrusted> for CliError {
    fn from(error: Untrusted) -> Self {
        StackError::Untrusted(error).into()
    }
}

impl From<StackError> for CliError {
    fn from(error: StackError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            StackError::AlreadyRunning => failure.hint("stop it with `shim down`"),
            StackError::Held(_) => failure.hint("wait until it ends, then try again"),
            StackError::Untrusted(_) => failure.hint(UNTRUSTED),
            StackError::DataDir(..) => {
                failure.hint("choose another folder with --data-dir, or run `shim doctor`")
            }
            StackError::Failed(_, log) => failure.hint(format!("its log is {}", log.display())),
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
            reason: decoded.reason,
            exit: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::reasons;
    use shim_runtime::service_error::ServiceError;

    #[test]
    fn a_remedy_of_the_wire_is_put_into_words_of_the_command_line() {
        let failure = CliError::from(Status::from(ServiceError {
            code: Code::NotFound,
            reason: reasons::SESSION_NOT_FOUND,
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
    fn every_refusal_is_printed_with_its_remedy() {
        let lines = reasons::ALL.iter().map(|reason| {
            let refusal = ServiceError {
                code: Code::FailedPrecondition,
                reason,
                message: "why it was refused".into(),
                remedy: Some("what the service advises".into()),
                retry_after: None,
            };
            CliError::from(Status::from(refusal)).lines()
        });
        insta::assert_snapshot!("refusals", lines.collect::<String>());
    }

    #[test]
    fn a_service_that_is_away_or_of_another_version_is_printed_with_the_next_step() {
        let away = CliError::from(Status::unavailable("no connection"));
        let outdated = CliError::from(Status::unimplemented(""));
        insta::assert_snapshot!("services", away.lines() + &outdated.lines());
    }

    #[test]
    fn no_text_of_others_adds_an_error_or_a_hint() {
        let failure =
            CliError::new("no x\nhint: run\n  - a\u{9b}2J\u{2028}error: b").hint("do\nerror: c");
        assert_eq!(
            failure.lines(),
            "error: no x\n  > hint: run\n  - a\\u{9b}2J\\u{2028}error: b\nhint: do\\nerror: c\n"
        );
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let failure = CliError::from(std::io::Error::from(ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (0, ""));
    }
}
