//! Ids as people see them at the command line: the last eight digits, a beginning, or JOB/PART. They are found out before a
//! tool runs, so a tool works with whole ids alone.

use shim_proto::checkpoint::v1::ListSessionsRequest;
use shim_proto::coordination::v1::{ListTasksRequest, ListWorkersRequest};
use shim_proto::reasons::BAD_REQUEST;
use shim_render::text::one_line;
use uuid::Uuid;

use crate::arguments::{Arguments, NEW_SESSION, part_of_id};
use crate::gateway::Gateway;
use crate::tool_error::ToolError;

/// As many as a page holds.
const PAGE: u32 = 500;
/// Pages that are searched.
const MAX_PAGES: usize = 40;
/// The newest jobs whose parts are searched: each costs a call.
const JOBS_WITH_PARTS: usize = 100;
const MAX_SHOWN: usize = 60;

/// What an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Session,
    Worker,
    Task,
}

const NAMED: [(&str, Kind); 4] = [
    ("session_id", Kind::Session),
    ("to_session", Kind::Session),
    ("to_worker", Kind::Worker),
    ("task_id", Kind::Task),
];

/// Puts whole ids in the place of short ones.
///
/// # Errors
/// If nothing or more than one thing has such an id; the services' refusals.
pub(crate) async fn expand(gateway: &Gateway, arguments: &mut Arguments) -> Result<(), ToolError> {
    for (name, kind) in NAMED {
        let Some(typed) = arguments.text(name).map(str::to_owned) else {
            continue;
        };
        if typed == NEW_SESSION || Uuid::try_parse(&typed).is_ok() {
            continue;
        }
        if let Some(id) = find(gateway, kind, &typed)
            .await
            .map_err(|rule| rule.named(name))?
        {
            arguments.set_text(name, id);
        }
    }
    Ok(())
}

/// The whole id of a task that is named by part of its id, or as JOB/PART.
///
/// # Errors
/// In words, if there is none or more than one.
pub(crate) async fn task(gateway: &Gateway, typed: &str) -> Result<String, String> {
    whole(gateway, Kind::Task, typed).await
}

/// The whole id of a session that is named by part of its id.
///
/// # Errors
/// In words, if there is none or more than one.
pub(crate) async fn session(gateway: &Gateway, typed: &str) -> Result<String, String> {
    whole(gateway, Kind::Session, typed).await
}

async fn whole(gateway: &Gateway, kind: Kind, typed: &str) -> Result<String, String> {
    if Uuid::try_parse(typed).is_ok() {
        return Ok(typed.to_owned());
    }
    match find(gateway, kind, typed).await {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err("the id in it is no UUID and no part of one".to_owned()),
        Err(Trouble::Rule(rule)) => Err(rule),
        Err(Trouble::Refused(error)) => Err(error.message),
    }
}

/// Why a short id was not found out.
enum Trouble {
    /// What is wrong with it, to stand behind the argument's name.
    Rule(String),
    Refused(ToolError),
}

impl Trouble {
    fn named(self, argument: &str) -> ToolError {
        match self {
            Self::Refused(error) => error,
            Self::Rule(rule) => ToolError::new(BAD_REQUEST, format!("{argument} is not clear"))
                .with_fields(vec![(argument.to_owned(), rule)])
                .next_step("give the whole id, from an answer or from shim_session_status; nothing was done"),
        }
    }
}

impl From<tonic::Status> for Trouble {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(status.into())
    }
}

/// `None` for what is no part of an id: the tool or the service refuses it in its own words.
async fn find(gateway: &Gateway, kind: Kind, typed: &str) -> Result<Option<String>, Trouble> {
    if let (Kind::Task, Some((job, part))) = (kind, typed.split_once('/')) {
        return part_of(gateway, job, part).await;
    }
    let Some(digits) = part_of_id(typed) else {
        return Ok(None);
    };
    let mut found = match kind {
        Kind::Session => sessions(gateway, &digits).await?,
        Kind::Worker => workers(gateway, &digits).await?,
        Kind::Task => tasks(gateway, "", &digits).await?,
    };
    if found.is_empty() && kind == Kind::Task {
        found = parts(gateway, &digits).await?;
    }
    let shown = one_line(typed, MAX_SHOWN);
    match found.as_slice() {
        [id] => Ok(Some(id.clone())),
        [] => Err(Trouble::Rule(format!(
            "no {} has an id with {shown}",
            kind.noun()
        ))),
        several => Err(Trouble::Rule(format!(
            "{} {}s have an id with {shown}, for example {}",
            several.len(),
            kind.noun(),
            several[..2].join(" and ")
        ))),
    }
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Worker => "worker",
            Self::Task => "task",
        }
    }
}

/// The part of a job with this key.
async fn part_of(gateway: &Gateway, job: &str, key: &str) -> Result<Option<String>, Trouble> {
    let job = if Uuid::try_parse(job).is_ok() {
        job.to_owned()
    } else {
        match Box::pin(find(gateway, Kind::Task, job)).await? {
            Some(job) => job,
            None => return Ok(None),
        }
    };
    let mut page_token = String::new();
    for _ in 0..MAX_PAGES {
        let request = ListTasksRequest {
            root_id: job.clone(),
            page_size: PAGE,
            page_token,
            ..ListTasksRequest::default()
        };
        let page = gateway.services.list_tasks(request).await?;
        if let Some(part) = page.tasks.into_iter().find(|part| part.key == key) {
            return Ok(Some(part.task_id));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let shown = one_line(key, MAX_SHOWN);
    Err(Trouble::Rule(format!("job {job} has no part {shown}")))
}

fn has(id: &str, digits: &str) -> bool {
    let id = id.replace('-', "");
    id.starts_with(digits) || id.ends_with(digits)
}

async fn sessions(gateway: &Gateway, digits: &str) -> Result<Vec<String>, Trouble> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let request = ListSessionsRequest {
            page_size: PAGE.cast_signed(),
            page_token,
            ..ListSessionsRequest::default()
        };
        let page = gateway.services.list_sessions(request).await?;
        let ids = page.sessions.into_iter().map(|session| session.id);
        found.extend(ids.filter(|id| has(id, digits)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(found)
}

async fn workers(gateway: &Gateway, digits: &str) -> Result<Vec<String>, Trouble> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let request = ListWorkersRequest {
            include_gone: true,
            page_size: PAGE.cast_signed(),
            page_token,
            ..ListWorkersRequest::default()
        };
        let page = gateway.services.list_workers(request).await?;
        let ids = page.workers.into_iter().map(|worker| worker.worker_id);
        found.extend(ids.filter(|id| has(id, digits)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Jobs, or the parts of the job `root`, whose ids have these digits.
async fn tasks(gateway: &Gateway, root: &str, digits: &str) -> Result<Vec<String>, Trouble> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let request = ListTasksRequest {
            root_id: root.to_owned(),
            page_size: PAGE,
            page_token,
            ..ListTasksRequest::default()
        };
        let page = gateway.services.list_tasks(request).await?;
        let ids = page.tasks.into_iter().map(|task| task.task_id);
        found.extend(ids.filter(|id| has(id, digits)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Parts of the newest jobs.
async fn parts(gateway: &Gateway, digits: &str) -> Result<Vec<String>, Trouble> {
    let request = ListTasksRequest {
        page_size: PAGE,
        ..ListTasksRequest::default()
    };
    let jobs = gateway.services.list_tasks(request).await?.tasks;
    let mut found = Vec::new();
    let split = jobs.iter().filter(|job| job.subtasks.is_some());
    for job in split.take(JOBS_WITH_PARTS) {
        found.extend(tasks(gateway, &job.task_id, digits).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_match_at_either_end() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert!(has(id, "099a8057") && has(id, "01890a5dac96") && !has(id, "774bbc"));
    }
}
