//! What a client has the service do while it is killed.

use std::time::Duration;

use serde::Serialize;
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{
    AnalyzeWorkflowRequest, ApproveEvolutionRequest, EvolutionState, EvolveCodeRequest,
    GenerateTestsRequest, ListEvolutionsRequest, RevertEvolutionRequest,
};
use shim_runtime::client::Channel;
use tonic::{Code, Status, Streaming};

use crate::calls::request_id;

/// A call that takes longer hangs.
const CALL_TIMEOUT: Duration = Duration::from_secs(180);

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// An analysis.
    Analyze,
    /// Proposals.
    Evolve,
    /// An approval: worktree, verification, commit.
    Approve,
    /// A commit is taken back.
    Revert,
    /// Tests are made.
    GenerateTests,
}

impl Activity {
    pub(super) const ALL: [Self; 5] = [
        Self::Analyze,
        Self::Evolve,
        Self::Approve,
        Self::Revert,
        Self::GenerateTests,
    ];
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Ended {
    Answered,
    /// There is nothing to approve or to take back at this moment.
    NothingToDo,
    Failed(Status),
    Hung,
}

impl Ended {
    /// Whether the service does not have this call.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed(status) if status.code() == Code::Unimplemented)
    }
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

    /// Makes a call and reads it to its end.
    pub(super) async fn call(mut self, activity: Activity) -> Ended {
        let called = async {
            match activity {
                Activity::Analyze => self.analyze().await.map(|()| true),
                Activity::Evolve => self.evolve().await.map(|()| true),
                Activity::Approve => self.approve().await,
                Activity::Revert => self.revert().await,
                Activity::GenerateTests => self.generate_tests().await.map(|()| true),
            }
        };
        match tokio::time::timeout(CALL_TIMEOUT, called).await {
            Err(_) => Ended::Hung,
            Ok(Ok(true)) => Ended::Answered,
            Ok(Ok(false)) => Ended::NothingToDo,
            Ok(Err(status)) => Ended::Failed(status),
        }
    }

    async fn analyze(&mut self) -> Result<(), Status> {
        let request = AnalyzeWorkflowRequest {
            path: self.path.clone(),
            ..AnalyzeWorkflowRequest::default()
        };
        drain(self.client.analyze_workflow(request).await?.into_inner()).await
    }

    async fn evolve(&mut self) -> Result<(), Status> {
        let request = EvolveCodeRequest {
            request_id: request_id(),
            path: self.path.clone(),
            ..EvolveCodeRequest::default()
        };
        drain(self.client.evolve_code(request).await?.into_inner()).await
    }

    /// Approves the newest proposal; `false` if there is none.
    async fn approve(&mut self) -> Result<bool, Status> {
        let Some(evolution_id) = self.newest(EvolutionState::Proposed).await? else {
            return Ok(false);
        };
        let request = ApproveEvolutionRequest {
            request_id: request_id(),
            evolution_id,
            approve: true,
            ..ApproveEvolutionRequest::default()
        };
        drain(self.client.approve_evolution(request).await?.into_inner()).await?;
        Ok(true)
    }

    /// Takes the newest commit back; `false` if there is none.
    async fn revert(&mut self) -> Result<bool, Status> {
        let Some(evolution_id) = self.newest(EvolutionState::Committed).await? else {
            return Ok(false);
        };
        let request = RevertEvolutionRequest {
            request_id: request_id(),
            evolution_id,
            reason: String::new(),
        };
        self.client.revert_evolution(request).await?;
        Ok(true)
    }

    async fn generate_tests(&mut self) -> Result<(), Status> {
        let request = GenerateTestsRequest {
            request_id: request_id(),
            path: self.path.clone(),
            max_functions: 2,
            seed: 7,
            ..GenerateTestsRequest::default()
        };
        drain(self.client.generate_tests(request).await?.into_inner()).await
    }

    async fn newest(&mut self, state: EvolutionState) -> Result<Option<String>, Status> {
        let found = self.evolutions(&[state]).await?;
        Ok(found.into_iter().next().map(|(id, _)| id))
    }

    /// Ids and branches of the project's evolutions in these states, the newest first.
    pub(super) async fn evolutions(
        &mut self,
        states: &[EvolutionState],
    ) -> Result<Vec<(String, String)>, Status> {
        let request = ListEvolutionsRequest {
            path: self.path.clone(),
            states: states.iter().map(|state| (*state).into()).collect(),
            page_size: 1_000,
            page_token: String::new(),
        };
        let answer = self.client.list_evolutions(request).await?.into_inner();
        let found = answer.evolutions.into_iter();
        Ok(found.map(|it| (it.evolution_id, it.branch)).collect())
    }
}

async fn drain<T>(mut stream: Streaming<T>) -> Result<(), Status> {
    while stream.message().await?.is_some() {}
    Ok(())
}
