//! The wire: one file for each RPC. A handler decodes the fields, calls a room or the store, and encodes the answer.

mod analyze_workflow;
mod api;
mod approve_evolution;
mod evolve_code;
mod fields;
mod generate_tests;
mod get_evolution;
mod list_evolutions;
mod list_patterns;
mod list_transforms;
mod reversions;
mod revert_evolution;
mod runs;
mod streamed;
mod trust_project;

use shim_proto::evolution::v1::evolution_service_server::EvolutionService;
use shim_proto::evolution::v1::*;
use shim_runtime::rpc::ResponseStream;
use shim_runtime::unary;
use tonic::{Request, Response, Status};

pub(crate) use api::Api;

#[tonic::async_trait]
impl EvolutionService for Api {
    unary! {
        revert_evolution: RevertEvolutionRequest => RevertEvolutionResponse,
        get_evolution: GetEvolutionRequest => GetEvolutionResponse,
        list_evolutions: ListEvolutionsRequest => ListEvolutionsResponse,
        list_patterns: ListPatternsRequest => ListPatternsResponse,
        list_transforms: ListTransformsRequest => ListTransformsResponse,
        trust_project: TrustProjectRequest => TrustProjectResponse,
    }

    type AnalyzeWorkflowStream = ResponseStream<AnalyzeWorkflowResponse>;

    async fn analyze_workflow(
        &self,
        request: Request<AnalyzeWorkflowRequest>,
    ) -> Result<Response<Self::AnalyzeWorkflowStream>, Status> {
        analyze_workflow::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }

    type EvolveCodeStream = ResponseStream<EvolveCodeResponse>;

    async fn evolve_code(
        &self,
        request: Request<EvolveCodeRequest>,
    ) -> Result<Response<Self::EvolveCodeStream>, Status> {
        evolve_code::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }

    type ApproveEvolutionStream = ResponseStream<ApproveEvolutionResponse>;

    async fn approve_evolution(
        &self,
        request: Request<ApproveEvolutionRequest>,
    ) -> Result<Response<Self::ApproveEvolutionStream>, Status> {
        approve_evolution::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }

    type GenerateTestsStream = ResponseStream<GenerateTestsResponse>;

    async fn generate_tests(
        &self,
        request: Request<GenerateTestsRequest>,
    ) -> Result<Response<Self::GenerateTestsStream>, Status> {
        generate_tests::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }
}
