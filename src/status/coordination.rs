//! The coordination of the local stack in a few figures: workers and queues.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use shim_proto::coordination::v1::{QueueHealthResponse, StoreSize, WorkerState};
use shim_proto::fitness::is_unfit;
use shim_proto::worker::v1::GetWorkerHealthRequest;
use shim_render::figures::count;
use shim_runtime::client::Endpoint;
use shim_runtime::service_error::decode;

use crate::config::Config;
use crate::connection::{self, Coordination, call, request};
use crate::error::CliError;
use crate::output::time::now;
use crate::store_line;
use crate::tasks::health;
use crate::workers::pages;

/// How the windows work together.
#[derive(Debug, Default, Serialize)]
pub(super) struct CoordinationStatus {
    /// Whether the service has its Redis.
    ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip)]
    explanation: String,
    /// The workers that live.
    workers: usize,
    /// How many of them have no room.
    busy: usize,
    /// How many of them can do no task now.
    #[serde(skip_serializing_if = "is_zero")]
    unfit: usize,
    /// How many workers run in this stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted: Option<usize>,
    /// What is in the queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<QueueStatus>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// All queues together.
#[derive(Debug, Serialize)]
struct QueueStatus {
    waiting: u64,
    delayed: u64,
    running: u64,
    awaiting_approval: u64,
    dead_letters: u64,
    /// Queues of which nobody gets a task.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused: Vec<String>,
    /// What a person should do something about.
    warnings: Vec<String>,
    /// Queues in use, one for each different set of requirements.
    queues_in_use: u32,
    max_queues: u32,
    /// Messages to submitters that wait for room in full inboxes.
    owed_messages: u64,
    /// What the store takes of Redis's memory.
    store: StoreStatus,
    #[serde(skip)]
    summary: String,
    #[serde(skip)]
    store_line: String,
}

/// What the store takes of Redis's memory.
#[derive(Debug, Serialize)]
struct StoreStatus {
    bytes: u64,
    /// 0 if there is no bound.
    max_bytes: u64,
    kinds: BTreeMap<String, KindStatus>,
}

/// What one kind takes.
#[derive(Debug, Serialize)]
struct KindStatus {
    keys: u64,
    bytes: u64,
}

impl CoordinationStatus {
    /// Asks the services at `endpoint`, which is the stack's for all of them.
    pub(super) async fn gather(config: &Config, endpoint: &Endpoint) -> Result<Self, CliError> {
        let mut service = connection::coordination_at(config, endpoint)?;
        let workers = match pages::page(&mut service).await {
            Ok(workers) => workers,
            Err(status) => {
                return Ok(Self {
                    reason: Some(decode(&status).reason),
                    explanation: CliError::from(status).to_string(),
                    ..Self::default()
                });
            }
        };
        let (hosted, tasks) = tokio::join!(hosted(config, endpoint), queues(&mut service));
        let is_busy = |state| state == WorkerState::Busy;
        Ok(Self {
            ready: true,
            busy: workers
                .iter()
                .filter(|worker| is_busy(worker.state()))
                .count(),
            unfit: workers
                .iter()
                .filter(|worker| is_unfit(worker, now().into()))
                .count(),
            workers: workers.len(),
            hosted,
            tasks,
            ..Self::default()
        })
    }

    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.reason.is_some() {
            return writeln!(out, "team      not now: {}", self.explanation);
        }
        let workers = count(self.workers as u64, "worker");
        let hosted = match self.hosted {
            None | Some(0) => String::new(),
            Some(number) => format!(", {number} of this stack"),
        };
        let unfit = match self.unfit {
            0 => String::new(),
            number => format!(", {number} unfit"),
        };
        writeln!(
            out,
            "team      ready: state, locks, files and messages; {workers} ({} busy{unfit}{hosted})",
            self.busy
        )?;
        let Some(queues) = &self.tasks else {
            return Ok(());
        };
        writeln!(out, "tasks     {}", queues.summary)?;
        writeln!(out, "store     {}", queues.store_line)?;
        for warning in &queues.warnings {
            writeln!(out, "          warning: {warning}")?;
        }
        Ok(())
    }
}

/// How many workers the stack runs itself.
async fn hosted(config: &Config, endpoint: &Endpoint) -> Option<usize> {
    let mut host = connection::worker_host_at(config, endpoint).ok()?;
    let asked = request(GetWorkerHealthRequest::default());
    let response = call(host.get_worker_health(asked)).await.ok()?;
    Some(response.workers.len())
}

async fn queues(service: &mut Coordination) -> Option<QueueStatus> {
    let queues = health::read(service).await.ok()?;
    Some(QueueStatus::of(&queues))
}

impl StoreStatus {
    fn of(response: &QueueHealthResponse) -> Self {
        let sizes = response.store_sizes.iter();
        let kind = |size: &StoreSize| {
            let (keys, bytes) = (size.keys, size.bytes);
            (size.kind.clone(), KindStatus { keys, bytes })
        };
        Self {
            bytes: response.store_bytes,
            max_bytes: response.max_store_bytes,
            kinds: sizes.map(kind).collect(),
        }
    }
}

impl QueueStatus {
    pub(super) fn of(response: &QueueHealthResponse) -> Self {
        let queues = || response.queues.iter();
        Self {
            waiting: queues().map(|queue| queue.waiting).sum(),
            delayed: queues().map(|queue| queue.delayed).sum(),
            running: queues().map(|queue| queue.active).sum(),
            awaiting_approval: response.awaiting_approval,
            dead_letters: response.dead_letters,
            paused: queues()
                .filter(|queue| queue.paused)
                .map(|queue| queue.name.clone())
                .collect(),
            warnings: health::warnings(response),
            queues_in_use: response.queues_in_use,
            max_queues: response.max_queues,
            owed_messages: response.owed_messages,
            store: StoreStatus::of(response),
            summary: health::summary(response),
            store_line: store_line::line(response),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use shim_proto::coordination::v1::QueueReport;

    #[test]
    fn the_queues_are_told_in_a_line_with_what_needs_a_look() {
        let health = QueueHealthResponse {
            queues: vec![QueueReport {
                waiting: 3,
                starving: true,
                ..QueueReport::default()
            }],
            ..QueueHealthResponse::default()
        };
        let coordination = CoordinationStatus {
            ready: true,
            workers: 2,
            hosted: Some(1),
            tasks: Some(QueueStatus::of(&health)),
            ..CoordinationStatus::default()
        };
        let mut text = Vec::new();
        coordination.print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("2 workers (0 busy, 1 of this stack)\ntasks     3 waiting, 0 running\n")
        );
        assert!(
            text.contains("warning: 3 tasks wait for any worker"),
            "{text}"
        );
    }
}
