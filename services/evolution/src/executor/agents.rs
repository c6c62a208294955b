//! What no transform does: a job of two tasks for each opportunity. An agent works it out, and what it answers becomes a
//! proposal, which waits for approval like any other.

use serde_json::json;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::coordination::v1::{
    GetTaskRequest, Requirements, SubmitTaskRequest, Subtask, Task, TaskResult, WorkerKind,
};
use shim_proto::evolution::v1::{AnalysisReport, Opportunity, Risk};
use shim_render::text::{one_line, short_id};
use shim_runtime::client::Channel;
use shim_runtime::free_form;
use shim_runtime::service_error::explanation;
use tokio::sync::mpsc;

use super::Attempt;
use super::arguments::Arguments;
use super::evolve::of;
use crate::analyzer::AnalysisOptions;
use crate::domain::agent_work;
use crate::error::EvolutionError;
use crate::evolver::Offer;

/// Opportunities that are looked through for those that no transform does.
const LOOKED_AT: usize = 100;
const WAITING: usize = 16;

impl Attempt<'_> {
    /// Submits the best `most` of what no transform does: their titles, and the jobs.
    pub(super) async fn hand_to_agents(
        &self,
        arguments: &Arguments,
        most: usize,
    ) -> Result<Vec<(String, String)>, EvolutionError> {
        let channel = self.coordination()?;
        let open = self.analysis(arguments).await?.opportunities.into_iter();
        let open = open.filter(|it| it.transform.is_empty() && it.location.is_some());
        let mut handed = Vec::new();
        for opportunity in open.take(most) {
            let task_id = self.submit_agent(&channel, arguments, &opportunity).await?;
            handed.push((one_line(&opportunity.title, 160), task_id));
        }
        Ok(handed)
    }

    /// What the project is like now.
    pub(super) async fn analysis(
        &self,
        arguments: &Arguments,
    ) -> Result<AnalysisReport, EvolutionError> {
        let options = AnalysisOptions {
            include: arguments.include.clone(),
            limit: LOOKED_AT,
            ..AnalysisOptions::default()
        };
        let (events, mut said) = mpsc::channel(WAITING);
        let work = self
            .engine
            .analyze(&arguments.path, options, false, events, &self.cancel);
        let (report, ()) = tokio::join!(work, self.tell(&mut said));
        report
    }

    async fn submit_agent(
        &self,
        channel: &Channel,
        arguments: &Arguments,
        opportunity: &Opportunity,
    ) -> Result<String, EvolutionError> {
        let task = &self.claim.task;
        let path = arguments.path.to_string_lossy();
        let submit = SubmitTaskRequest {
            request_id: request_id(&task.task_id, opportunity),
            goal: one_line(&opportunity.title, 300),
            subtasks: subtasks(&path, opportunity),
            workspace: match task.workspace.as_str() {
                "" => path.into_owned(),
                workspace => workspace.to_owned(),
            },
            submitted_by: task.submitted_by.clone(),
            parent_id: task.task_id.clone(),
            ..SubmitTaskRequest::default()
        };
        let mut client = TaskServiceClient::new(channel.clone());
        let submitted = client.submit_task(submit).await;
        let submitted = submitted.map_err(|status| EvolutionError::NotSubmitted {
            what: "the work of an agent".to_owned(),
            why: explanation(&status),
        })?;
        Ok(submitted.into_inner().task.unwrap_or_default().task_id)
    }

    /// Makes a proposal of what the task before answered.
    pub(super) async fn offer(
        &self,
        arguments: &Arguments,
        kind: &str,
    ) -> Result<TaskResult, EvolutionError> {
        let [before] = self.claim.task.depends_on.as_slice() else {
            return Err(EvolutionError::Arguments(
                "payload.offer: is for a task that comes after exactly one other".to_owned(),
            ));
        };
        let task = self.done_task(before).await?;
        let answer = task.result.unwrap_or_default();
        let files = agent_work::files(&answer.text, answer.truncated);
        let files = files.map_err(EvolutionError::AgentAnswer)?;
        let project = self.engine.project(&arguments.path).await?;
        let offer = Offer {
            transform: format!("agent-{kind}"),
            why: format!("An agent worked it out: {}", one_line(&task.goal, 300)),
            risk: Risk::High,
            files,
        };
        let evolution = self.engine.evolver.offer(&project, offer).await?;
        let task_id = self.submit_gated(&evolution).await?;
        let text = format!(
            "proposed: `shim evolve show {}` shows it, `shim tasks approve {}` applies and verifies it",
            short_id(&evolution.evolution_id),
            short_id(&task_id)
        );
        let data = json!({"evolution_id": evolution.evolution_id, "task_id": task_id});
        Ok(of(text, &data))
    }

    /// A task that has ended, with its result.
    pub(super) async fn done_task(&self, task_id: &str) -> Result<Task, EvolutionError> {
        let mut client = TaskServiceClient::new(self.coordination()?)
            .max_decoding_message_size(shim_proto::limits::MAX_MESSAGE_BYTES);
        let asked = GetTaskRequest {
            task_id: task_id.to_owned(),
            ..GetTaskRequest::default()
        };
        let found = client.get_task(asked).await;
        let found = found.map_err(|status| EvolutionError::NotSubmitted {
            what: "the answer of an agent".to_owned(),
            why: explanation(&status),
        })?;
        Ok(found.into_inner().task.unwrap_or_default())
    }

    fn coordination(&self) -> Result<Channel, EvolutionError> {
        let channel = self.engine.peers.coordination.clone();
        channel.ok_or_else(|| EvolutionError::NotSubmitted {
            what: "the work of an agent".to_owned(),
            why: "no coordination service is configured (endpoints.coordination)".to_owned(),
        })
    }
}

/// The same for each attempt at a task, so that a repetition submits nothing twice.
fn request_id(task_id: &str, opportunity: &Opportunity) -> String {
    let hash = blake3::hash(opportunity.opportunity_id.as_bytes()).to_hex();
    let digits = hash.get(..16).unwrap_or_default();
    format!("agent-{task_id}-{digits}")
}

/// The work of an agent, and the task that makes a proposal of its answer.
fn subtasks(path: &str, opportunity: &Opportunity) -> Vec<Subtask> {
    let payload = json!({"path": path, "offer": opportunity.kind});
    vec![
        Subtask {
            key: "work".to_owned(),
            goal: agent_work::goal(opportunity),
            kind: "code".to_owned(),
            requirements: Some(Requirements {
                executor: WorkerKind::Agent.into(),
                capabilities: Vec::new(),
            }),
            ..Subtask::default()
        },
        Subtask {
            key: "offer".to_owned(),
            goal: "Make a proposal of what the agent answered".to_owned(),
            kind: "evolve".to_owned(),
            depends_on: vec!["work".to_owned()],
            payload: payload.as_object().and_then(free_form::from_json),
            ..Subtask::default()
        },
    ]
}
