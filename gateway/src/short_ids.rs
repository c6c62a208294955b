//! Ids as people see them at the command line: the last eight digits, a beginning, JOB/PART, SESSION:NUMBER. They are found
//! out before a tool runs, so a tool works with whole ids alone.
//!
//! All there is of a kind is looked through. What has the same digits as another one is not guessed: the candidates are told.

mod listing;

use shim_proto::checkpoint::v1::GetCheckpointRequest;
use shim_proto::reasons::BAD_REQUEST;
use shim_render::id_part::IdPart;
use shim_render::text::one_line;

use crate::arguments::{Arguments, Named, Parameter, ParameterType, whole_id};
use crate::gateway::Gateway;
use crate::tool_error::ToolError;
use listing::Candidate;

const MAX_SHOWN: usize = 60;
/// Candidates that a refusal tells.
const MAX_TOLD: usize = 5;

/// Puts whole ids in the place of short ones.
///
/// # Errors
/// If nothing or more than one thing has such an id; the services' refusals.
pub(crate) async fn expand(
    gateway: &Gateway,
    parameters: &[Parameter],
    arguments: &mut Arguments,
) -> Result<(), ToolError> {
    for parameter in parameters {
        let ParameterType::Id { of, word } = parameter.kind else {
            continue;
        };
        let Some(typed) = arguments.text(parameter.name).map(str::trim) else {
            continue;
        };
        let id = match word {
            Some(word) if typed == word => word.to_owned(),
            _ => named(gateway, of, parameter.name, typed).await?,
        };
        arguments.set_text(parameter.name, id);
    }
    Ok(())
}

/// The whole id of what an argument names. What is no id in any form comes back as it is.
///
/// # Errors
/// As [`expand`].
pub(crate) async fn named(
    gateway: &Gateway,
    of: Named,
    argument: &str,
    typed: &str,
) -> Result<String, ToolError> {
    match find(gateway, of, typed).await {
        Ok(id) => Ok(id),
        Err(Trouble::NoId) => Ok(typed.to_owned()),
        Err(trouble) => Err(trouble.named(argument)),
    }
}

/// The whole id of a task whose name comes from the surroundings; `None` if it names none.
///
/// # Errors
/// If it names more than one task; the service's refusals.
pub(crate) async fn task_if_any(
    gateway: &Gateway,
    argument: &str,
    typed: &str,
) -> Result<Option<String>, ToolError> {
    match find(gateway, Named::Task, typed.trim()).await {
        Ok(id) => Ok(Some(id)),
        Err(Trouble::NoId | Trouble::None(_)) => Ok(None),
        Err(trouble) => Err(trouble.named(argument)),
    }
}

/// The whole id of what a text names that is no argument of a tool.
///
/// # Errors
/// In words, if there is none or more than one.
pub(crate) async fn in_words(gateway: &Gateway, of: Named, typed: &str) -> Result<String, String> {
    find(gateway, of, typed)
        .await
        .map_err(|trouble| match trouble {
            Trouble::NoId => "the id in it is no UUID and no part of one".to_owned(),
            Trouble::None(rule) | Trouble::Several(rule) => rule,
            Trouble::Refused(error) => error.message,
        })
}

/// Why a short id was not found out.
enum Trouble {
    /// It has no form of an id.
    NoId,
    /// Nothing has it, in words that stand behind the argument's name.
    None(String),
    /// Several have it, likewise.
    Several(String),
    Refused(ToolError),
}

impl Trouble {
    fn named(self, argument: &str) -> ToolError {
        let rule = match self {
            Self::Refused(error) => return error,
            Self::None(rule) | Self::Several(rule) => rule,
            Self::NoId => "is no id and no part of one".to_owned(),
        };
        ToolError::new(BAD_REQUEST, format!("{argument} is not clear"))
            .with_fields(vec![(argument.to_owned(), rule)])
            .next_step(
                "give the whole id, from an answer or from shim_session_status; nothing was done",
            )
    }
}

impl From<tonic::Status> for Trouble {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(status.into())
    }
}

/// A whole id is taken without a look at the service.
async fn find(gateway: &Gateway, of: Named, typed: &str) -> Result<String, Trouble> {
    if let Some(id) = whole_id(typed) {
        return Ok(id);
    }
    match (of, typed.split_once('/'), typed.rsplit_once(':')) {
        (Named::Task, Some((job, key)), _) => part_of(gateway, job, key).await,
        (Named::Checkpoint, _, Some((session, number))) => {
            let number = number.parse().map_err(|_| Trouble::NoId)?;
            numbered(gateway, session, number).await
        }
        _ => by_digits(gateway, of, typed).await,
    }
}

async fn by_digits(gateway: &Gateway, of: Named, typed: &str) -> Result<String, Trouble> {
    let digits = IdPart::of(typed).ok_or(Trouble::NoId)?;
    match of {
        Named::Session => only(of, typed, &listing::sessions(gateway, &digits).await?),
        Named::Worker => only(of, typed, &listing::workers(gateway, &digits).await?),
        Named::SessionOrWorker => {
            let mut found = listing::sessions(gateway, &digits).await?;
            if found.is_empty() {
                found = listing::workers(gateway, &digits).await?;
            }
            only(of, typed, &found)
        }
        Named::Task => {
            let mut found = listing::jobs(gateway, &digits).await?;
            if found.is_empty() {
                found = listing::parts(gateway, &digits).await?;
            }
            only(of, typed, &found)
        }
        Named::Checkpoint => {
            let sessions = listing::sessions(gateway, &digits).await?;
            match sessions.as_slice() {
                [] => only(of, typed, &listing::checkpoints(gateway, &digits).await?),
                [session] => get_checkpoint(gateway, session.id.clone(), 0).await,
                _ => only(of, typed, &sessions),
            }
        }
    }
}

/// The one that was found.
fn only(of: Named, typed: &str, found: &[Candidate]) -> Result<String, Trouble> {
    let (noun, shown) = (noun(of), one_line(typed, MAX_SHOWN));
    match found {
        [one] => Ok(one.id.clone()),
        [] => Err(Trouble::None(format!("no {noun} has an id with {shown}"))),
        several => {
            let told: Vec<String> = several
                .iter()
                .take(MAX_TOLD)
                .map(|candidate| match one_line(&candidate.about, MAX_SHOWN) {
                    about if about.is_empty() => candidate.id.clone(),
                    about => format!("{} ({about})", candidate.id),
                })
                .collect();
            Err(Trouble::Several(format!(
                "{} {noun}s have an id with {shown}: {}{}",
                several.len(),
                told.join(", "),
                if several.len() > MAX_TOLD {
                    ", ..."
                } else {
                    ""
                },
            )))
        }
    }
}

fn noun(of: Named) -> &'static str {
    match of {
        Named::Session => "session",
        Named::SessionOrWorker => "session or worker",
        Named::Worker => "worker",
        Named::Task => "task",
        Named::Checkpoint => "checkpoint",
    }
}

/// The part of a job with this key.
async fn part_of(gateway: &Gateway, job: &str, key: &str) -> Result<String, Trouble> {
    let job = match whole_id(job) {
        Some(job) => job,
        None => by_digits(gateway, Named::Task, job).await?,
    };
    let parts = listing::parts_of(gateway, &job).await?;
    let found = parts.into_iter().find(|part| part.key == key);
    found.map(|part| part.task_id).ok_or_else(|| {
        let shown = one_line(key, MAX_SHOWN);
        Trouble::None(format!("job {job} has no part {shown}"))
    })
}

/// The checkpoint of a session with this number.
async fn numbered(gateway: &Gateway, session: &str, number: u64) -> Result<String, Trouble> {
    let session_id = match whole_id(session) {
        Some(session_id) => session_id,
        None => by_digits(gateway, Named::Session, session).await?,
    };
    get_checkpoint(gateway, session_id, number).await
}

/// The id of a session's checkpoint; of its newest intact one for number 0.
async fn get_checkpoint(
    gateway: &Gateway,
    session_id: String,
    number: u64,
) -> Result<String, Trouble> {
    let request = GetCheckpointRequest {
        checkpoint_id: String::new(),
        session_id: session_id.clone(),
        number,
    };
    let found = gateway.services.get_checkpoint(request).await;
    let found = found
        .map_err(|status| Trouble::Refused(ToolError::from(status).about(session_id.as_str())))?;
    Ok(found.checkpoint.unwrap_or_default().id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_candidates_are_told_and_none_is_guessed() {
        let candidate = |id: &str, about: &str| Candidate {
            id: id.to_owned(),
            about: about.to_owned(),
        };
        let told = |found: Vec<Candidate>| match only(Named::Task, "9a0b1c2d", &found) {
            Ok(id) => id,
            Err(trouble) => trouble.named("task_id").text().to_string(),
        };
        assert_eq!(told(vec![candidate("1", "")]), "1");
        assert!(told(vec![]).contains("no task has an id with 9a0b1c2d"));
        let several = told(vec![candidate("1", "port\nit"), candidate("2", "")]);
        assert!(
            several.contains("2 tasks have an id with 9a0b1c2d: 1 (port it), 2"),
            "{several}"
        );
        let many = (0..9).map(|n| candidate(&n.to_string(), "")).collect();
        assert!(told(many).contains("0, 1, 2, 3, 4, ..."));
    }
}
