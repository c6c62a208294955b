//! Every wrong field of every RPC of the evolution service: INVALID_ARGUMENT, naming it. Nothing of this needs Node.

use std::path::Path;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{
    AnalyzeWorkflowRequest, ApproveEvolutionRequest, EvolveCodeRequest, GenerateTestsRequest,
    GetEvolutionRequest, ListEvolutionsRequest, ListPatternsRequest, ListTransformsRequest,
    RevertEvolutionRequest, TrustProjectRequest,
};
use shim_runtime::service_error::decode;
use shim_tests::calls::request_id;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Status};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The wrong fields that a call was refused for, at its beginning.
fn fields<T>(what: &str, answer: Result<T, Status>) -> Vec<String> {
    let Err(status) = answer else {
        panic!("{what} was taken");
    };
    let refused = decode(&status);
    assert_eq!(refused.code, Code::InvalidArgument, "{what}: {refused:?}");
    assert_eq!(refused.reason, "BAD_REQUEST", "{what}: {refused:?}");
    refused
        .violations
        .into_iter()
        .map(|(field, _)| field)
        .collect()
}

async fn service(temp: &TempEnv) -> Service {
    Launch::evolution(&temp.data_dir()).start_or_panic().await
}

#[tokio::test]
async fn a_wrong_path_or_list_is_named_by_every_call() {
    let temp = TempEnv::new();
    let service = service(&temp).await;
    let mut client = EvolutionServiceClient::new(service.channel());
    let many = vec!["a".to_owned(); 1_001];
    let long = format!("/{}", "a".repeat(4_096));
    for (path, include, expected) in [
        ("", vec![], vec!["path"]),
        ("relative", vec![], vec!["path"]),
        ("/a\nb", vec![], vec!["path"]),
        ("/a\0b", vec![], vec!["path"]),
        (" ", vec![], vec!["path"]),
        (long.as_str(), vec![], vec!["path"]),
        (
            "/p",
            vec!["a\0b".to_owned(), long.clone()],
            vec!["include[0]", "include[1]", "include[1]"],
        ),
        ("/p", vec!["/abs".to_owned()], vec!["include[0]"]),
        (
            "/p",
            vec!["a".to_owned(), "../b".to_owned(), String::new()],
            vec!["include[1]", "include[2]"],
        ),
        ("/p", many, vec!["include"]),
    ] {
        let analyze = AnalyzeWorkflowRequest {
            path: path.to_owned(),
            include: include.clone(),
            ..AnalyzeWorkflowRequest::default()
        };
        assert_eq!(
            fields("analyze", client.analyze_workflow(analyze).await),
            expected
        );
        let evolve = EvolveCodeRequest {
            request_id: request_id(),
            path: path.to_owned(),
            include: include.clone(),
            ..EvolveCodeRequest::default()
        };
        assert_eq!(fields("evolve", client.evolve_code(evolve).await), expected);
        let generate = GenerateTestsRequest {
            request_id: request_id(),
            path: path.to_owned(),
            include,
            ..GenerateTestsRequest::default()
        };
        assert_eq!(
            fields("generate", client.generate_tests(generate).await),
            expected
        );
    }
    let trust = TrustProjectRequest::default();
    assert_eq!(
        fields("trust", client.trust_project(trust).await),
        ["request_id", "path"]
    );
}

#[tokio::test]
async fn a_wrong_number_name_or_id_is_named() {
    let temp = TempEnv::new();
    let service = service(&temp).await;
    let mut client = EvolutionServiceClient::new(service.channel());
    let analyze = AnalyzeWorkflowRequest {
        path: "/p".to_owned(),
        limit: 1_001,
        ..AnalyzeWorkflowRequest::default()
    };
    assert_eq!(
        fields("limit", client.analyze_workflow(analyze).await),
        ["limit"]
    );
    let infinite = Value {
        kind: Some(Kind::NumberValue(f64::INFINITY)),
    };
    let evolve = EvolveCodeRequest {
        request_id: "two words".to_owned(),
        path: "/p".to_owned(),
        transforms: vec!["no var".to_owned()],
        custom_transform: "mod.js".to_owned(),
        custom_options: Some(Struct {
            fields: [("n".to_owned(), infinite)].into(),
        }),
        limit: 101,
        ..EvolveCodeRequest::default()
    };
    assert_eq!(
        fields("evolve", client.evolve_code(evolve).await),
        [
            "request_id",
            "transforms[0]",
            "custom_transform",
            "custom_options",
            "custom_options.n",
            "limit"
        ]
    );
    let generate = GenerateTestsRequest {
        request_id: request_id(),
        path: "/p".to_owned(),
        max_functions: 201,
        ..GenerateTestsRequest::default()
    };
    assert_eq!(
        fields("generate", client.generate_tests(generate).await),
        ["max_functions"]
    );
    let approve = ApproveEvolutionRequest {
        request_id: request_id(),
        evolution_id: "short".to_owned(),
        reason: "x".repeat(2_001),
        paths: vec!["a.js".to_owned()],
        approve: false,
    };
    assert_eq!(
        fields("approve", client.approve_evolution(approve).await),
        ["evolution_id", "reason", "paths"]
    );
    let revert = RevertEvolutionRequest::default();
    assert_eq!(
        fields("revert", client.revert_evolution(revert).await),
        ["request_id", "evolution_id"]
    );
    let list = ListEvolutionsRequest {
        path: "p".to_owned(),
        states: vec![0, 99],
        page_size: 1_001,
        page_token: "-1".to_owned(),
    };
    assert_eq!(
        fields("list", client.list_evolutions(list).await),
        ["path", "states[0]", "states[1]", "page_size", "page_token"]
    );
    for token in ["1", "+1", "1.", "1.0123456789abcdef", "x", "\0", "1.1"] {
        let list = ListEvolutionsRequest {
            page_token: token.to_owned(),
            ..ListEvolutionsRequest::default()
        };
        let refused = fields(token, client.list_evolutions(list).await);
        assert_eq!(refused, ["page_token"], "{token:?}");
    }
    let patterns = ListPatternsRequest {
        path: "p".to_owned(),
        transform: "a b".to_owned(),
    };
    assert_eq!(
        fields("patterns", client.list_patterns(patterns).await),
        ["path", "transform"]
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_with_its_reason() {
    let temp = TempEnv::new();
    let service = service(&temp).await;
    let mut client = EvolutionServiceClient::new(service.channel());
    let evolution_id = ID.to_owned();
    let get = GetEvolutionRequest { evolution_id };
    let refused = decode(&client.get_evolution(get).await.unwrap_err());
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (Code::NotFound, "EVOLUTION_NOT_FOUND")
    );
    assert!(refused.message.contains(ID));
    for path in ["/no/such/folder", "/dev/null"] {
        let trust = TrustProjectRequest {
            request_id: request_id(),
            path: path.to_owned(),
            trust: true,
        };
        let refused = decode(&client.trust_project(trust).await.unwrap_err());
        assert_eq!(refused.reason, "PROJECT_UNUSABLE", "{path}: {refused:?}");
    }
    let transforms = client
        .list_transforms(ListTransformsRequest {})
        .await
        .unwrap();
    let transforms = transforms.into_inner().transforms;
    assert!(transforms.len() >= 15 && transforms.is_sorted_by_key(|it| it.name.clone()));
}

#[tokio::test]
async fn a_project_outside_of_the_roots_is_refused_and_trust_is_asked_once() {
    let temp = TempEnv::new();
    let launch = Launch::evolution(&temp.data_dir()).env(
        "SHIM_EVOLUTION_ROOTS",
        &temp.project().display().to_string(),
    );
    let service = launch.start_or_panic().await;
    let mut client = EvolutionServiceClient::new(service.channel());
    let trust = |id: &str, path: &Path, trust: bool| TrustProjectRequest {
        request_id: id.to_owned(),
        path: path.display().to_string(),
        trust,
    };
    let outside = trust("1", temp.root(), true);
    let refused = decode(&client.trust_project(outside).await.unwrap_err());
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (Code::PermissionDenied, "OUTSIDE_ROOTS")
    );
    let project = temp.project();
    for (id, asked, answered) in [("2", true, true), ("3", false, false), ("2", true, true)] {
        let kept = client
            .trust_project(trust(id, &project, asked))
            .await
            .unwrap();
        assert_eq!(kept.into_inner().project.unwrap().is_trusted, answered);
    }
    let other = trust("2", &project, false);
    let reused = decode(&client.trust_project(other).await.unwrap_err());
    assert_eq!(reused.reason, "REQUEST_ID_REUSED");
}
