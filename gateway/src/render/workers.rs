//! Workers in words, for the tool and the prompt alike.

use std::collections::HashMap;
use std::time::SystemTime;

use futures::future::join_all;
use shim_proto::coordination::v1::{ListTasksRequest, ListWorkersRequest, Task, TaskState, Worker};
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::text::{entry, one_line};
use shim_render::words;
use shim_render::workers::health;

use crate::render::phrases;
use crate::services::Services;

const MAX_NAME_CHARACTERS: usize = 60;
const MAX_DETAIL_CHARACTERS: usize = 100;
/// Capabilities in a line; the structure has all of them.
const MAX_CAPABILITIES: usize = 8;

/// Workers that are asked about their tasks.
const MAX_BUSY: usize = 20;
/// Workers whose names are looked up.
const MAX_NAMED: i32 = 200;

/// The names of workers by their ids.
#[derive(Debug, Default)]
pub(crate) struct WorkerNames(HashMap<String, String>);

impl WorkerNames {
    /// Looks the names up, those of workers that left lately among them. A worker without a known name has its id.
    pub(crate) async fn look_up(services: &Services) -> Self {
        let request = ListWorkersRequest {
            include_gone: true,
            page_size: MAX_NAMED,
            ..ListWorkersRequest::default()
        };
        let found = services.try_list_workers(request).await.unwrap_or_default();
        let named = found.workers.into_iter();
        Self(
            named
                .map(|worker| (worker.worker_id, worker.name))
                .collect(),
        )
    }

    /// The worker's name with the end of its id, since windows of one client on one project have one name.
    pub(crate) fn of(&self, worker_id: &str) -> String {
        let end = &worker_id[worker_id.ceil_char_boundary(worker_id.len().saturating_sub(6))..];
        match self.0.get(worker_id).map(String::as_str) {
            None | Some("") => worker_id.to_owned(),
            Some(name) => format!("{} (..{end})", one_line(name, MAX_NAME_CHARACTERS)),
        }
    }
}

/// What each of the busy workers is at; those that cannot be asked are left out.
pub(crate) async fn running(services: &Services, workers: &[Worker]) -> Vec<Task> {
    let busy = workers.iter().filter(|worker| worker.running > 0);
    let requests = busy.take(MAX_BUSY).map(|worker| {
        services.try_list_tasks(ListTasksRequest {
            worker_id: worker.worker_id.clone(),
            states: vec![TaskState::Running.into()],
            ..ListTasksRequest::default()
        })
    });
    let answers = join_all(requests).await;
    answers
        .into_iter()
        .flatten()
        .flat_map(|page| page.tasks)
        .collect()
}

/// The living workers, a line for each, with what they are at.
pub(crate) fn list(workers: &[Worker], running: &[Task], has_more: bool) -> Page {
    let mut text = Page::of(match workers.len() {
        0 => "No worker lives. shim_worker_task action=register makes a session one.".to_owned(),
        count if has_more => format!("{count} living workers, and there are more:"),
        count => format!("{count} living worker(s):"),
    });
    for worker in workers {
        text.line(format!("- {}", line(worker)));
        let own = |task: &&Task| task.worker_id == worker.worker_id;
        for task in running.iter().filter(own) {
            text.line(format!(
                "  at {} ({} done), task_id={}",
                one_line(&task.goal, MAX_DETAIL_CHARACTERS),
                percent(task.progress),
                task.task_id,
            ));
        }
    }
    text
}

/// One worker in a line; its id is whole, since messages are sent to it.
fn line(worker: &Worker) -> String {
    let name = match worker.name.as_str() {
        "" => "(unnamed)".to_owned(),
        name => entry(name, MAX_NAME_CHARACTERS),
    };
    let mut line = format!(
        "{name} [{}, {}, {}] {}/{} running, can: {}, heard {}, worker_id={}",
        words::worker_kind(worker.kind()),
        words::worker_state(worker.state()),
        health(worker, SystemTime::now()),
        worker.running,
        worker.capacity,
        capabilities(&worker.capabilities),
        phrases::ago(worker.last_heartbeat_at.as_ref()),
        worker.worker_id,
    );
    if !worker.detail.is_empty() {
        let detail = one_line(&worker.detail, MAX_DETAIL_CHARACTERS);
        line.push_str(&format!(" ({detail})"));
    }
    line
}

fn capabilities(all: &[String]) -> String {
    let shown = all.iter().take(MAX_CAPABILITIES).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(" ");
    match all.len() {
        0 => "nothing named".to_owned(),
        count if count > MAX_CAPABILITIES => {
            format!("{shown} and {} more", count - MAX_CAPABILITIES)
        }
        _ => shown,
    }
}
