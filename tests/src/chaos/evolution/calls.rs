//! What a client has the service do while it is killed.

use std::time::Duration;

use serde::Serialize;
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{
    AnalyzeWorkflowRequest, ApproveEvolutionRequest, Evolution, EvolutionState, EvolveCodeRequest,
    GenerateTestsRequest, ListEvolutionsRequest, RevertEvolutionRequest, analyze_workflow_response,
    approve_evolution_response, evolve_code_response, generate_tests_response,
};
use shim_runtime::client::Channel;
use tonic::{Status, Streaming};

use super::victims::Victim;
use crate::calls::request_id;

/// A call that takes longer hangs.
const CALL_TIMEOUT: Duration = Duration::from_secs(300);

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// An analysis.
    Analyze,
    /// Proposals.
    Evolve,
    /// An approval: worktree, verification, commit.
    Approve,
    /// An approval whose suite of tests never ends.
    ApproveEndless,
    /// A commit is taken back by the end of its branch.
    Revert,
    /// A commit on which a user built is taken back by another commit.
    Undo,
    /// Tests are made.
    GenerateTests,
    /// The tools are installed, for an analysis.
    Install,
}

impl Activity {
    /// Every kind.
    pub(super) const ALL: [Self; 8] = [
        Self::Analyze,
        Self::Evolve,
        Self::Approve,
        Self::ApproveEndless,
        Self::Revert,
        Self::Undo,
        Self::GenerateTests,
        Self::Install,
    ];

    /// Whom it can be about: programs that run meanwhile.
    pub(super) fn victims(self) -> &'static [Victim] {
        use Victim::{Client, Compiler, Git, Host, Npm, Oxlint, Service, TestRunner};
        match self {
            Self::Analyze => &[Service, Client, Host, Oxlint, Compiler, Git],
            Self::Evolve => &[Service, Client, Host, Git],
            Self::Approve => &[Service, Client, Host, Compiler, Git, TestRunner],
            Self::ApproveEndless => &[Service, Client, TestRunner],
            Self::Revert | Self::Undo => &[Service, Client, Git],
            Self::GenerateTests => &[Service, Client, Host, TestRunner],
            Self::Install => &[Service, Client, Npm],
        }
    }
}

/// A call that can be made again as it is.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Analyze(AnalyzeWorkflowRequest),
    Evolve(EvolveCodeRequest),
    Approve(ApproveEvolutionRequest),
    Revert(RevertEvolutionRequest),
    GenerateTests(GenerateTestsRequest),
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With what must be the same each time.
    Answered(String),
    Failed(Status),
    Hung,
}

/// A client of one project.
#[derive(Clone)]
pub(super) struct Caller {
    client: EvolutionServiceClient<Channel>,
    path: String,
}

impl Caller {
    pub(super) fn new(channel: Channel, path: &std::path::Path) -> Self {
        Self {
            client: EvolutionServiceClient::new(channel).max_decoding_message_size(usize::MAX),
            path: path.display().to_string(),
        }
    }

    pub(super) fn analysis(&self) -> Call {
        Call::Analyze(AnalyzeWorkflowRequest {
            path: self.path.clone(),
            ..AnalyzeWorkflowRequest::default()
        })
    }

    pub(super) fn proposals(&self) -> Call {
        Call::Evolve(EvolveCodeRequest {
            request_id: request_id(),
            path: self.path.clone(),
            transforms: vec!["var-to-let-const".to_owned()],
            ..EvolveCodeRequest::default()
        })
    }

    pub(super) fn tests(&self) -> Call {
        Call::GenerateTests(GenerateTestsRequest {
            request_id: request_id(),
            path: self.path.clone(),
            max_functions: 2,
            seed: 7,
            ..GenerateTestsRequest::default()
        })
    }

    pub(super) fn approval(evolution_id: &str) -> Call {
        Call::Approve(ApproveEvolutionRequest {
            request_id: request_id(),
            evolution_id: evolution_id.to_owned(),
            approve: true,
            ..ApproveEvolutionRequest::default()
        })
    }

    pub(super) fn reversion(evolution_id: &str) -> Call {
        Call::Revert(RevertEvolutionRequest {
            request_id: request_id(),
            evolution_id: evolution_id.to_owned(),
            reason: "not now".to_owned(),
        })
    }

    /// Makes a call and reads it to its end.
    pub(super) async fn make(self, call: Call) -> Ended {
        match tokio::time::timeout(CALL_TIMEOUT, self.answer(call)).await {
            Err(_) => Ended::Hung,
            Ok(Ok(said)) => Ended::Answered(said),
            Ok(Err(status)) => Ended::Failed(status),
        }
    }

    async fn answer(mut self, call: Call) -> Result<String, Status> {
        let client = &mut self.client;
        match call {
            Call::Analyze(request) => {
                let mut stream = client.analyze_workflow(request).await?.into_inner();
                let said = last(&mut stream, |message| match message.event? {
                    analyze_workflow_response::Event::Report(report) => {
                        let failed: Vec<_> = report
                            .tools
                            .iter()
                            .filter(|run| !run.failure.is_empty())
                            .map(|run| format!("{}: {}", run.tool, run.failure))
                            .collect();
                        Some(format!(
                            "{} errors, {} warnings, {:?}, failed {failed:?}",
                            report.errors, report.warnings, report.notes
                        ))
                    }
                    _ => None,
                });
                said.await
            }
            Call::Evolve(request) => {
                let mut stream = client.evolve_code(request).await?.into_inner();
                last(&mut stream, |message| match message.event? {
                    evolve_code_response::Event::Summary(summary) => {
                        Some(format!("{} proposals", summary.proposals))
                    }
                    _ => None,
                })
                .await
            }
            Call::Approve(request) => {
                let mut stream = client.approve_evolution(request).await?.into_inner();
                last(&mut stream, |message| match message.event? {
                    approve_evolution_response::Event::Evolution(evolution) => {
                        Some(state(&evolution))
                    }
                    _ => None,
                })
                .await
            }
            Call::Revert(request) => {
                let answer = client.revert_evolution(request).await?.into_inner();
                Ok(state(&answer.evolution.unwrap_or_default()))
            }
            Call::GenerateTests(request) => {
                let mut stream = client.generate_tests(request).await?.into_inner();
                last(&mut stream, |message| match message.event? {
                    generate_tests_response::Event::Report(report) => {
                        let kept: Vec<_> = report.functions.iter().map(|it| it.kept).collect();
                        Some(format!("tests {kept:?}"))
                    }
                    _ => None,
                })
                .await
            }
        }
    }

    /// The project's evolutions in these states, the newest first; in all if there are none.
    pub(super) async fn evolutions(
        &mut self,
        states: &[EvolutionState],
    ) -> Result<Vec<Evolution>, Status> {
        let request = ListEvolutionsRequest {
            path: self.path.clone(),
            states: states.iter().map(|state| (*state).into()).collect(),
            page_size: 1_000,
            page_token: String::new(),
        };
        let answer = self.client.list_evolutions(request).await?.into_inner();
        Ok(answer.evolutions)
    }
}

/// State and reason, which say what became of it.
fn state(evolution: &Evolution) -> String {
    format!("{:?} {}", evolution.state(), evolution.reason)
}

/// What the last telling message of a stream says.
async fn last<T>(
    stream: &mut Streaming<T>,
    mut read: impl FnMut(T) -> Option<String>,
) -> Result<String, Status> {
    let mut said = String::new();
    while let Some(message) = stream.message().await? {
        said = read(message).unwrap_or(said);
    }
    if said.is_empty() {
        return Err(Status::data_loss(
            "the stream ended without its last message",
        ));
    }
    Ok(said)
}
