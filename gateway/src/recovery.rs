//! Recovery candidates for the tool and the prompt alike: asked for, compared with the shared tasks, and in words.
//!
//! The checkpoint service knows nothing of shared tasks. A task that a dead worker saved under the key of its shared task is
//! left out here once another worker has it, or once it is over.

mod lines;

use std::collections::HashMap;

use futures::future::join_all;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{DetectRecoveryRequest, OpenTask, RecoveryCandidate};
use shim_proto::coordination::v1::{GetTaskRequest, Task, TaskState};
use shim_render::page::Page;
use shim_render::text::name;
use tonic::Status;

use crate::claims;
use crate::render::brief::{self, Facts};
use crate::services::Services;
use lines::{closed_line, closed_tasks, is_closed};

pub(crate) use lines::line;

const MAX_CANDIDATES: i32 = 10;
const MAX_PROJECT_CHARACTERS: usize = 1_024;
/// Windows that were closed in good order and have a line of their own; the others share one.
const MAX_CLOSED_LISTED: usize = 3;

/// What can be brought back.
#[derive(Default)]
pub(crate) struct Offers {
    /// Best first.
    pub(crate) candidates: Vec<RecoveryCandidate>,
    /// Windows closed in good order beyond those among the candidates.
    pub(crate) closed: Vec<RecoveryCandidate>,
    /// Sessions beyond the limit.
    more: u32,
    /// Sessions too old to be offered.
    aged_out: u32,
    /// Sessions whose shared task went on elsewhere.
    elsewhere: usize,
}

/// Asks what can be brought back, the project's first.
pub(crate) async fn find(
    services: &Services,
    project: &str,
    only_project: bool,
) -> Result<Offers, Status> {
    let request = DetectRecoveryRequest {
        project: project.to_owned(),
        limit: MAX_CANDIDATES,
        only_project,
    };
    let found = services.detect_recovery(request).await?;
    let tasks = shared_tasks(services, &found.candidates).await;
    let all = found.candidates.len();
    let open = found.candidates.into_iter();
    let open: Vec<_> = open
        .filter_map(|candidate| still_open(candidate, &tasks))
        .collect();
    let elsewhere = all - open.len();
    let mut closed_listed = 0;
    let (candidates, closed) = open.into_iter().partition(|candidate| {
        closed_listed += usize::from(is_closed(candidate));
        !is_closed(candidate) || closed_listed <= MAX_CLOSED_LISTED
    });
    Ok(Offers {
        candidates,
        closed,
        more: found.more,
        aged_out: found.aged_out,
        elsewhere,
    })
}

fn shared_task_id(open: &OpenTask) -> Option<&str> {
    claims::task_id_of(&open.task.as_ref()?.task_key)
}

/// The shared tasks that the candidates worked at, as far as they can be known now.
async fn shared_tasks(
    services: &Services,
    candidates: &[RecoveryCandidate],
) -> HashMap<String, Task> {
    let tasks = candidates.iter().flat_map(|candidate| &candidate.tasks);
    let mut task_ids: Vec<&str> = tasks.filter_map(shared_task_id).collect();
    task_ids.sort_unstable();
    task_ids.dedup();
    if !services.has_coordination() {
        return HashMap::new();
    }
    let asked = task_ids.into_iter().map(|task_id| async move {
        let request = GetTaskRequest {
            task_id: task_id.to_owned(),
            with_subtasks: false,
        };
        let found = services.try_get_task(request).await.ok()?.task?;
        Some((task_id.to_owned(), found))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The candidate without tasks that went on elsewhere; `None` if nothing is left.
fn still_open(
    mut candidate: RecoveryCandidate,
    tasks: &HashMap<String, Task>,
) -> Option<RecoveryCandidate> {
    let session_id = candidate.session.as_ref().map(|session| session.id.clone());
    let session_id = session_id.unwrap_or_default();
    let went_on = |open: &OpenTask| {
        let task = shared_task_id(open).and_then(|task_id| tasks.get(task_id));
        task.is_some_and(|task| is_elsewhere(task, &session_id))
    };
    let before = candidate.tasks.len();
    candidate.tasks.retain(|open| !went_on(open));
    if before > 0 && candidate.tasks.is_empty() {
        return None;
    }
    if let Some(first) = candidate
        .tasks
        .first()
        .filter(|_| candidate.tasks.len() < before)
    {
        candidate.next_steps.clone_from(&first.next_steps);
    }
    Some(candidate)
}

/// Whether a shared task is over, or with another worker than this session.
fn is_elsewhere(task: &Task, session_id: &str) -> bool {
    match task.state() {
        TaskState::Completed
        | TaskState::Failed
        | TaskState::Cancelled
        | TaskState::AwaitingApproval => true,
        TaskState::Running => task.worker_id != session_id,
        TaskState::Unspecified | TaskState::Pending | TaskState::Delayed | TaskState::Ready => {
            false
        }
    }
}

impl Offers {
    /// The best candidate of all.
    pub(crate) fn best(&self) -> Option<&RecoveryCandidate> {
        self.candidates.first()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// The candidates as a list with the way to bring one back.
    pub(crate) fn text(&self, project: &str) -> Page {
        let project = name(project, MAX_PROJECT_CHARACTERS);
        let mut text = match self.candidates.len() {
            0 => Page::of(format!(
                "No interrupted work is waiting (project {project})."
            )),
            count => self.listed(count, &project),
        };
        if self.elsewhere > 0 {
            let sessions = self.elsewhere;
            text.line(format!(
                "Left out: {sessions} session(s) of workers whose shared task another worker has or finished."
            ));
        }
        if self.aged_out > 0 {
            let sessions = self.aged_out;
            text.line(format!("Too old to be offered: {sessions} session(s)."));
        }
        text
    }

    fn listed(&self, count: usize, project: &str) -> Page {
        let is_here = |candidate: &&RecoveryCandidate| candidate.same_project;
        let here = self.candidates.iter().filter(is_here).count();
        let mut text = Page::of(format!(
            "{count} interrupted session(s) with unfinished work, {here} of project {project}:"
        ));
        for (index, candidate) in self.candidates.iter().enumerate() {
            text.line(format!("{}. {}", index + 1, line(candidate)));
        }
        if !self.closed.is_empty() {
            text.line(closed_line(&self.closed));
        }
        if self.more > 0 {
            let more = self.more;
            text.line(format!("And {more} more."));
        }
        text
    }

    /// The same as facts.
    pub(crate) fn facts(&self) -> Facts {
        let candidates: Vec<Value> = self.candidates.iter().map(brief::candidate).collect();
        let closed = (!self.closed.is_empty())
            .then(|| json!({"count": self.closed.len(), "tasks": closed_tasks(&self.closed)}));
        Facts::new()
            .set("candidates", candidates)
            .set_some("closed_windows", closed)
            .set_some("more", self.more)
            .set_some("aged_out", self.aged_out)
            .set_some("went_on_elsewhere", self.elsewhere)
    }

    /// What can be done about them.
    pub(crate) fn next_step(&self) -> &'static str {
        let are_all_listed = self.closed.is_empty() && self.more == 0 && self.aged_out == 0;
        match (self.is_empty(), are_all_listed) {
            (true, true) => "go on; nothing waits to be brought back",
            (true, false) => {
                "shim_session_status view=sessions lists the others, and action=restore brings one back by its session_id"
            }
            (false, true) => {
                "action=restore with a session_id brings one back; action=dismiss takes it off this list"
            }
            (false, false) => {
                "action=restore with a session_id brings one back, action=dismiss takes it off this list; \
                 shim_session_status view=sessions lists the others"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shim_proto::checkpoint::v1::{
        Checkpoint, Interruption, InterruptionCause, Session, SessionTask,
    };

    use super::*;

    fn candidate(id: &str, cause: InterruptionCause, task_keys: &[&str]) -> RecoveryCandidate {
        let task = |key: &&str| OpenTask {
            task: Some(SessionTask {
                task_key: (*key).to_owned(),
                current_task: format!("work {id} {key}"),
                progress: 0.3,
                checkpoint_number: 2,
                ..SessionTask::default()
            }),
            next_steps: vec![format!("step of {key}")],
        };
        RecoveryCandidate {
            session: Some(Session {
                id: id.to_owned(),
                interruption: Some(Interruption {
                    cause: cause.into(),
                    ..Interruption::default()
                }),
                ..Session::default()
            }),
            checkpoint: Some(Checkpoint::default()),
            confidence: 0.95,
            same_project: true,
            next_steps: vec!["step of the newest".to_owned()],
            tasks: task_keys.iter().map(task).collect(),
            unsaved: prost_types::Duration::try_from(Duration::from_secs(540)).ok(),
            ..RecoveryCandidate::default()
        }
    }

    #[test]
    fn a_task_that_another_worker_has_or_finished_is_not_offered() {
        use TaskState::{Cancelled, Completed, Failed, Pending, Ready, Running};
        for (state, worker, offered) in [
            (Completed, "other", false),
            (Failed, "dead", false),
            (Cancelled, "", false),
            (Running, "other", false),
            (Running, "dead", true),
            (Ready, "", true),
            (Pending, "", true),
        ] {
            let task = Task {
                state: state.into(),
                worker_id: worker.into(),
                ..Task::default()
            };
            let tasks = HashMap::from([("1".to_owned(), task)]);
            let dead = candidate("dead", InterruptionCause::Killed, &["task:1"]);
            assert_eq!(
                still_open(dead, &tasks).is_some(),
                offered,
                "{state:?} {worker}"
            );
            let both = candidate("dead", InterruptionCause::Killed, &["task:1", "t1"]);
            let kept = still_open(both, &tasks).map(|kept| (kept.tasks.len(), kept.next_steps));
            let expected = match offered {
                true => (2, vec!["step of the newest".to_owned()]),
                false => (1, vec!["step of t1".to_owned()]),
            };
            assert_eq!(kept, Some(expected), "{state:?} {worker}");
        }
        let unknown = candidate("dead", InterruptionCause::Killed, &["task:9"]);
        assert!(
            still_open(unknown, &HashMap::new()).is_some(),
            "nothing is known of it"
        );
    }

    #[test]
    fn a_line_says_what_was_lost_how_sure_that_is_and_which_tasks_there_are() {
        let killed = candidate("s", InterruptionCause::Killed, &["t1", "t2"]);
        let text = line(&killed);
        assert_eq!(
            text,
            "work s t1 (30 % done; killed, 0 s ago, 9 min after its last save; confidence high; checkpoint 2) \
             session_id=s next: step of the newest also unfinished in it: \"work s t2\" (30 % done)"
        );
        let closed = candidate("s", InterruptionCause::ClientClosed, &["t1"]);
        assert!(!line(&closed).contains("after its last save"));
    }

    #[test]
    fn many_closed_windows_share_a_line() {
        let closed: Vec<_> = (0..7)
            .map(|n| candidate(&n.to_string(), InterruptionCause::ClientClosed, &["t1"]))
            .collect();
        let offers = Offers {
            candidates: vec![candidate("k", InterruptionCause::Killed, &["t1"])],
            closed,
            more: 4,
            aged_out: 2,
            elsewhere: 1,
        };
        let text = offers.text("/p").to_string();
        assert_eq!(
            text.matches("were closed in good order").count(),
            1,
            "{text}"
        );
        assert!(
            text.contains("7 more window(s)") && text.contains("And 4 more"),
            "{text}"
        );
        assert!(text.contains("Too old to be offered: 2"), "{text}");
        assert!(text.contains("Left out: 1 session(s) of workers"), "{text}");
        let structured = Value::from(offers.facts());
        assert_eq!(structured["closed_windows"]["count"], json!(7));
        assert_eq!(
            structured["candidates"][0]["confidence_in_words"],
            json!("high")
        );
    }
}
