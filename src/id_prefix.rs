//! Finding the one thing that an argument names: by a whole id, its last eight digits (as the tables show), or its first
//! six or more.

use shim_proto::checkpoint::v1::Session;
use shim_proto::coordination::v1::{FileLease, Task, Worker};
use shim_render::text::{one_line, short_id};

use crate::error::CliError;

/// Fewer digits would match too many ids.
const MIN_DIGITS: usize = 6;
const MAX_LISTED: usize = 5;

/// A thing with an id.
pub(crate) trait Identified {
    /// What it is called.
    const NOUN: &'static str;
    /// The command that lists all of the kind.
    const LIST: &'static str;
    /// Its id, a UUID.
    fn id(&self) -> &str;
    /// A text that distinguishes it from others with a similar id.
    fn description(&self) -> &str;
}

impl Identified for Session {
    const NOUN: &'static str = "session";
    const LIST: &'static str = "shim sessions list";

    fn id(&self) -> &str {
        &self.id
    }

    fn description(&self) -> &str {
        &self.current_task
    }
}

impl Identified for Worker {
    const NOUN: &'static str = "worker";
    const LIST: &'static str = "shim workers list --all";

    fn id(&self) -> &str {
        &self.worker_id
    }

    fn description(&self) -> &str {
        &self.name
    }
}

impl Identified for Task {
    const NOUN: &'static str = "task";
    const LIST: &'static str = "shim tasks list";

    fn id(&self) -> &str {
        &self.task_id
    }

    fn description(&self) -> &str {
        &self.goal
    }
}

impl Identified for FileLease {
    const NOUN: &'static str = "lease";
    const LIST: &'static str = "shim files list{WORKSPACE}";

    fn id(&self) -> &str {
        &self.lease_id
    }

    fn description(&self) -> &str {
        &self.purpose
    }
}

/// Part of an id.
#[derive(Debug)]
pub(crate) struct IdPrefix(String);

impl IdPrefix {
    /// Reads an argument.
    ///
    /// # Errors
    /// If it is too short or no part of an id.
    pub(crate) fn of(typed: &str, noun: &str) -> Result<Self, CliError> {
        let digits: String = typed
            .chars()
            .filter(|c| *c != '-')
            .collect::<String>()
            .to_lowercase();
        if digits.len() < MIN_DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(
                CliError::new(format!("\"{}\" names no {noun}", one_line(typed, 60))).hint(format!(
                    "give a {noun}'s id, its last eight digits, or six or more from its beginning"
                )),
            );
        }
        Ok(Self(digits))
    }

    /// Whether these are digits of that id.
    pub(crate) fn matches(&self, id: &str) -> bool {
        let id = id.replace('-', "");
        id.starts_with(&self.0) || id.ends_with(&self.0)
    }
}

/// The one thing whose id matches.
///
/// # Errors
/// If nothing or more than one thing matches.
pub(crate) fn pick<T: Identified>(things: Vec<T>, digits: &IdPrefix) -> Result<T, CliError> {
    let mut matching = things
        .into_iter()
        .filter(|thing| digits.matches(thing.id()));
    let Some(first) = matching.next() else {
        return Err(
            CliError::new(format!("there is no {} {}", T::NOUN, digits.0))
                .hint(format!("`{}` shows those there are", T::LIST)),
        );
    };
    let others: Vec<T> = matching.collect();
    if others.is_empty() {
        return Ok(first);
    }
    let listed: Vec<String> = std::iter::once(&first)
        .chain(&others)
        .take(MAX_LISTED)
        .map(|thing| {
            format!(
                "{} ({})",
                short_id(thing.id()),
                one_line(thing.description(), 40)
            )
        })
        .collect();
    Err(CliError::new(format!(
        "{} {}s are meant by {}",
        others.len() + 1,
        T::NOUN,
        digits.0
    ))
    .hint(format!("name one of them: {}", listed.join(", "))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sessions() -> Vec<Session> {
        [
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a8058",
            "01890b00-0000-7000-8000-00000000abcd",
        ]
        .map(|id| Session {
            id: id.into(),
            ..Session::default()
        })
        .into()
    }

    #[test]
    fn beginnings_and_ends_name_a_session() {
        let picked = |typed: &str| {
            let digits = IdPrefix::of(typed, "session").unwrap();
            pick(sessions(), &digits).map(|session| session.id)
        };
        assert!(picked("099a8058").unwrap().ends_with("8058"));
        assert!(picked("01890B00").unwrap().ends_with("abcd"));
        assert!(
            picked("01890a5d-ac96-774b-bcce-b302099a8057")
                .unwrap()
                .ends_with("8057")
        );
        assert!(picked("01890a5d").is_err(), "two begin alike");
        assert!(picked("ffffff").is_err(), "none ends so");
    }

    #[test]
    fn too_few_or_strange_digits_are_refused() {
        for typed in ["", "12345", "xyzxyz", "../../etc"] {
            assert!(IdPrefix::of(typed, "worker").is_err(), "{typed}");
        }
    }
}
