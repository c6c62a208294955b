//! Finding the one thing that an argument names: by a whole id, its last eight digits (as the tables show), or its first
//! six or more.

use shim_proto::checkpoint::v1::Session;
use shim_proto::coordination::v1::{FileLease, Task, Worker};
use shim_proto::reasons;
use shim_render::id_part::IdPart;
use shim_render::text::{one_line, short_id};

use crate::error::CliError;

const MAX_LISTED: usize = 5;

/// A thing with an id.
pub(crate) trait Identified {
    /// What it is called.
    const NOUN: &'static str;
    /// The reason of a refusal of an id that nothing has.
    const UNKNOWN: &'static str;
    /// The command that lists all of the kind.
    const LIST: &'static str;
    /// Its id, a UUID.
    fn id(&self) -> &str;
    /// A text that distinguishes it from others with a similar id.
    fn description(&self) -> &str;
}

impl Identified for Session {
    const NOUN: &'static str = "session";
    const UNKNOWN: &'static str = reasons::SESSION_NOT_FOUND;
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
    const UNKNOWN: &'static str = reasons::WORKER_NOT_FOUND;
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
    const UNKNOWN: &'static str = reasons::TASK_NOT_FOUND;
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
    const UNKNOWN: &'static str = reasons::LEASE_LOST;
    const LIST: &'static str = "shim files list{WORKSPACE}";

    fn id(&self) -> &str {
        &self.lease_id
    }

    fn description(&self) -> &str {
        &self.purpose
    }
}

/// Reads an argument that is part of an id.
///
/// # Errors
/// If it is too short or no part of an id.
pub(crate) fn part_of_id<T: Identified>(typed: &str) -> Result<IdPart, CliError> {
    IdPart::of(typed).ok_or_else(|| no_part(typed, T::NOUN).for_reason(T::UNKNOWN))
}

/// The refusal of what is no part of an id.
pub(crate) fn no_part(typed: &str, noun: &str) -> CliError {
    CliError::new(format!("\"{}\" names no {noun}", one_line(typed, 60))).hint(format!(
        "give a {noun}'s id, its last eight digits, or six or more from its beginning"
    ))
}

/// The one thing whose id matches.
///
/// # Errors
/// If nothing or more than one thing matches.
pub(crate) fn pick<T: Identified>(things: Vec<T>, digits: &IdPart) -> Result<T, CliError> {
    let mut matching: Vec<T> = things
        .into_iter()
        .filter(|thing| digits.matches(thing.id()))
        .collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(
            CliError::new(format!("there is no {} {}", T::NOUN, digits.digits()))
                .for_reason(T::UNKNOWN)
                .hint(format!("`{}` shows those there are", T::LIST)),
        ),
        (Some(last), false) => {
            matching.push(last);
            let told = matching
                .iter()
                .map(|thing| (thing.id(), thing.description()));
            Err(several(T::NOUN, digits, &told.collect::<Vec<_>>()))
        }
    }
}

/// The refusal of digits that several things have; of each, its id and what distinguishes it.
pub(crate) fn several(noun: &str, digits: &IdPart, found: &[(&str, &str)]) -> CliError {
    // What ends alike is told apart by its whole id.
    let mut ends: Vec<&str> = found.iter().map(|(id, _)| short_id(id)).collect();
    ends.sort_unstable();
    ends.dedup();
    let ends_differ = ends.len() == found.len();
    let listed = found.iter().take(MAX_LISTED).map(|(id, about)| {
        let id = if ends_differ { short_id(id) } else { id };
        format!("{id} ({})", one_line(about, 40))
    });
    let listed: Vec<String> = listed.collect();
    let more = match found.len() {
        all if all > MAX_LISTED => ", ...",
        _ => "",
    };
    CliError::new(format!(
        "{} {noun}s are meant by {}",
        found.len(),
        digits.digits()
    ))
    .hint(format!("name one of them: {}{more}", listed.join(", ")))
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
            let digits = part_of_id::<Session>(typed).unwrap();
            pick(sessions(), &digits).map(|session| session.id)
        };
        assert!(picked("099a8058").unwrap().ends_with("8058"));
        assert!(picked("01890B00").unwrap().ends_with("abcd"));
        assert!(
            picked("01890a5d-ac96-774b-bcce-b302099a8057")
                .unwrap()
                .ends_with("8057")
        );
        let several = picked("01890a5d").unwrap_err().lines();
        for told in ["2 sessions are meant", "099a8057", "099a8058"] {
            assert!(several.contains(told), "two begin alike: {several}");
        }
        assert!(picked("ffffff").is_err(), "none ends so");
    }

    #[test]
    fn too_few_or_strange_digits_are_refused() {
        for typed in ["", "12345", "xyzxyz", "../../etc"] {
            assert!(part_of_id::<Worker>(typed).is_err(), "{typed}");
        }
    }
}
