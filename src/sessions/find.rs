//! From what a person types to one session or checkpoint.

use shim_proto::checkpoint::v1::{Checkpoint, GetCheckpointRequest, GetSessionRequest, Session};
use uuid::Uuid;

use super::list::{Filter, every};
use crate::connection::{Checkpoints, request};
use crate::failure::Failure;
use crate::output::text::{one_line, short_id};

/// Fewer digits would name too many sessions to be of use.
const MIN_DIGITS: usize = 6;
const MAX_LISTED: usize = 5;

/// The session meant by a whole id, a beginning or an end of one.
///
/// # Errors
/// If none or more than one is meant.
pub(super) async fn session(service: &mut Checkpoints, typed: &str) -> Result<Session, Failure> {
    if Uuid::try_parse(typed).is_ok() {
        let asked = GetSessionRequest {
            session_id: typed.to_lowercase(),
        };
        let found = service
            .get_session(request(asked))
            .await?
            .into_inner()
            .session;
        return found.ok_or_else(|| Failure::new("the service answered without a session"));
    }
    let digits = digits(typed)?;
    let sessions = every(service, &Filter::default(), usize::MAX).await?;
    pick(sessions, &digits, typed)
}

/// The checkpoint meant by its id, or by `SESSION:NUMBER` or `SESSION` for the newest one.
///
/// # Errors
/// If there is none.
pub(super) async fn checkpoint(
    service: &mut Checkpoints,
    typed: &str,
) -> Result<Checkpoint, Failure> {
    let asked = if Uuid::try_parse(typed).is_ok() {
        GetCheckpointRequest {
            checkpoint_id: typed.to_lowercase(),
            ..GetCheckpointRequest::default()
        }
    } else {
        let (name, number) = typed.split_once(':').unwrap_or((typed, "0"));
        let number = number.parse().map_err(|_| {
            Failure::new(format!("\"{typed}\" names no checkpoint"))
                .hint("give a checkpoint id, or SESSION:NUMBER such as 9a0b1c2d:3")
        })?;
        let session_id = session(service, name).await?.id;
        GetCheckpointRequest {
            session_id,
            number,
            ..GetCheckpointRequest::default()
        }
    };
    let found = service
        .get_checkpoint(request(asked))
        .await?
        .into_inner()
        .checkpoint;
    found.ok_or_else(|| Failure::new("the service answered without a checkpoint"))
}

fn digits(typed: &str) -> Result<String, Failure> {
    let digits: String = typed
        .chars()
        .filter(|c| *c != '-')
        .collect::<String>()
        .to_lowercase();
    if digits.len() < MIN_DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(
            Failure::new(format!("\"{}\" names no session", one_line(typed, 60))).hint(
                "give a session's id, its last eight digits, or six or more from its beginning",
            ),
        );
    }
    Ok(digits)
}

fn pick(sessions: Vec<Session>, digits: &str, typed: &str) -> Result<Session, Failure> {
    let mut meant = sessions.into_iter().filter(|session| {
        let id = session.id.replace('-', "");
        id.starts_with(digits) || id.ends_with(digits)
    });
    let Some(first) = meant.next() else {
        return Err(Failure::new(format!("there is no session {typed}"))
            .hint("`shim sessions list` shows those there are"));
    };
    let others: Vec<Session> = meant.collect();
    if others.is_empty() {
        return Ok(first);
    }
    let listed: Vec<String> = std::iter::once(&first)
        .chain(&others)
        .take(MAX_LISTED)
        .map(|session| {
            format!(
                "{} ({})",
                short_id(&session.id),
                one_line(&session.current_task, 40)
            )
        })
        .collect();
    Err(Failure::new(format!(
        "{} sessions are meant by {typed}",
        others.len() + 1
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
            pick(sessions(), &digits(typed).unwrap(), typed).map(|session| session.id)
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
            assert!(digits(typed).is_err(), "{typed}");
        }
    }
}
