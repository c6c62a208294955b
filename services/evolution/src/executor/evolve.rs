//! Tasks of the kind `evolve`: proposals, each of which becomes a task that waits for approval, and the application of one.

use std::path::Path;

use serde_json::{Value, json};
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::coordination::v1::{ApprovalGates, SplitPolicy, SubmitTaskRequest, TaskResult};
use shim_proto::evolution::v1::{Evolution, EvolutionState};
use shim_render::figures::count;
use shim_render::text::{name, one_line, short_id};
use shim_runtime::free_form;

use super::Attempt;
use super::arguments::Arguments;
use crate::domain::patterns::state_word;
use crate::engine::Decision;
use crate::error::EvolutionError;
use crate::evolver::{EvolveOptions, Watch};

/// Proposals of a task that names no number: somebody looks at each.
const PROPOSALS: u32 = 5;

impl Attempt<'_> {
    /// Proposes, and submits a task for each proposal that applies it once somebody approved that.
    pub(super) async fn evolve(&self, arguments: &Arguments) -> Result<TaskResult, EvolutionError> {
        let options = options(arguments);
        let picture = match options.only_new {
            true => Some(self.analysis(arguments).await?.summary),
            false => None,
        };
        let proposals = self
            .engine
            .propose(&arguments.path, &options, &self.sink(), &self.cancel)
            .await?;
        let mut text = match proposals.evolutions.len() {
            0 => "nothing to propose".to_owned(),
            number => format!(
                "{} proposed; nothing was changed",
                count(number as u64, "evolution")
            ),
        };
        let mut data = Vec::with_capacity(proposals.evolutions.len());
        for evolution in &proposals.evolutions {
            let task_id = self.submit_gated(evolution).await?;
            text += &line(evolution, &task_id);
            data.push(proposal(evolution, &task_id));
        }
        let handed = self.handed(arguments).await?;
        for (title, job) in &handed {
            text += &format!("\n{title}: an agent gets it as job {}", short_id(job));
        }
        if let Some(picture) = picture {
            text += &format!("\n\n{picture}");
        }
        let agents = handed
            .iter()
            .map(|(title, job)| json!({"title": title, "task_id": job}));
        let agents: Vec<Value> = agents.collect();
        Ok(of(text, &json!({"proposals": data, "agents": agents})))
    }

    /// What agents get, if the task asks for that: titles and jobs.
    async fn handed(&self, arguments: &Arguments) -> Result<Vec<(String, String)>, EvolutionError> {
        match arguments.number("agents", 0) {
            0 => Ok(Vec::new()),
            agents => self.hand_to_agents(arguments, agents as usize).await,
        }
    }

    /// Applies and verifies a proposal: whoever let this task start approved it.
    pub(super) async fn apply(
        &self,
        arguments: &Arguments,
        evolution_id: String,
    ) -> Result<TaskResult, EvolutionError> {
        if arguments.names_path {
            self.check_project(&arguments.path, &evolution_id).await?;
        }
        let progress = self.sink();
        let watch = Watch {
            progress: &progress,
            on_check: &|_| {},
            cancel: &self.cancel,
        };
        let decision = Decision {
            evolution_id,
            approve: true,
            // The same for each attempt at this task: a repetition finds what the first one came to.
            request_id: format!("task-{}", self.claim.task.task_id),
            ..Decision::default()
        };
        let evolution = self.engine.decide(decision, watch).await?;
        if evolution.state() != EvolutionState::Committed {
            return Err(EvolutionError::NotKept {
                evolution: evolution.evolution_id.clone(),
                state: state_word(evolution.state()),
                reason: evolution.reason,
            });
        }
        Ok(committed(&evolution))
    }

    /// Refuses an evolution of another project than the task names.
    async fn check_project(&self, path: &Path, evolution_id: &str) -> Result<(), EvolutionError> {
        let named = self.engine.project(path).await?;
        let found = self.engine.store.evolution(evolution_id).await?;
        let root = found.evolution.project.unwrap_or_default().root;
        if named.root() == Path::new(&root) {
            return Ok(());
        }
        Err(EvolutionError::Arguments(format!(
            "payload.path: evolution {evolution_id} is of {root}, not of {}; leave path out, or name the evolution of that project",
            named.root().display()
        )))
    }

    /// The task that applies a proposal; empty without a coordination service, where people approve by its id.
    pub(super) async fn submit_gated(
        &self,
        evolution: &Evolution,
    ) -> Result<String, EvolutionError> {
        let Some(channel) = self.engine.peers.coordination.clone() else {
            return Ok(String::new());
        };
        let task = &self.claim.task;
        let payload = json!({"evolution_id": evolution.evolution_id});
        let submit = SubmitTaskRequest {
            // A repeated attempt submits nothing twice.
            request_id: format!("evolve-{}-{}", task.task_id, evolution.evolution_id),
            goal: goal(evolution),
            kind: "evolve".to_owned(),
            payload: payload.as_object().and_then(free_form::from_json),
            approval: Some(ApprovalGates {
                before_start: true,
                before_result: false,
            }),
            split: SplitPolicy::Never.into(),
            workspace: task.workspace.clone(),
            submitted_by: task.submitted_by.clone(),
            parent_id: task.task_id.clone(),
            ..SubmitTaskRequest::default()
        };
        let mut client = TaskServiceClient::new(channel);
        let submitted = client.submit_task(submit).await;
        let submitted = submitted.map_err(|status| EvolutionError::NotSubmitted {
            what: format!("the task that applies evolution {}", evolution.evolution_id),
            why: shim_runtime::service_error::explanation(&status),
        })?;
        Ok(submitted.into_inner().task.unwrap_or_default().task_id)
    }
}

fn options(arguments: &Arguments) -> EvolveOptions {
    EvolveOptions {
        include: arguments.include.clone(),
        transforms: arguments.list("transforms"),
        custom: None,
        limit: arguments.number("limit", PROPOSALS) as usize,
        only_new: arguments.flag("nightly"),
    }
}

/// A proposal as data of a result.
fn proposal(evolution: &Evolution, task_id: &str) -> Value {
    json!({
        "evolution_id": evolution.evolution_id,
        "transform": evolution.transform,
        "files": evolution.files.iter().map(|it| &it.path).collect::<Vec<_>>(),
        "risk": evolution.risk,
        "why": evolution.why,
        "task_id": task_id,
    })
}

/// The result of an application that is on its branch now.
fn committed(evolution: &Evolution) -> TaskResult {
    let checks = evolution.checks.iter().map(|check| {
        let verdict = if check.skipped.is_empty() {
            "passed"
        } else {
            "skipped"
        };
        format!("{} {verdict}", one_line(&check.name, 40))
    });
    let checks = checks.collect::<Vec<_>>().join(", ");
    let text = format!(
        "{} is committed on branch {}: {checks}",
        one_line(&evolution.transform, 64),
        name(&evolution.branch, 200)
    );
    let data = json!({
        "evolution_id": evolution.evolution_id,
        "branch": evolution.branch,
        "commit": evolution.commit,
    });
    of(text, &data)
}

fn goal(evolution: &Evolution) -> String {
    let root = evolution.project.as_ref().map_or("", |it| &it.root);
    format!(
        "Apply {} to {} of {}, verify it, and commit it on a branch of its own. {}",
        one_line(&evolution.transform, 64),
        count(evolution.files.len() as u64, "file"),
        name(root, 300),
        one_line(&evolution.why, 600)
    )
}

fn line(evolution: &Evolution, task_id: &str) -> String {
    let changes: u32 = evolution.files.iter().map(|file| file.changes).sum();
    let what = format!(
        "\n{} ({} in {}): `shim evolve show {}`",
        one_line(&evolution.transform, 64),
        count(changes.into(), "place"),
        count(evolution.files.len() as u64, "file"),
        short_id(&evolution.evolution_id)
    );
    match task_id {
        "" => what,
        task_id => format!(
            "{what}, `shim tasks approve {}` applies it",
            short_id(task_id)
        ),
    }
}

pub(super) fn of(text: String, data: &Value) -> TaskResult {
    TaskResult {
        text,
        data: data.as_object().and_then(free_form::from_json),
        ..TaskResult::default()
    }
}
