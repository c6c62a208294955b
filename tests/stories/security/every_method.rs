//! The walk: reflection tells of every method, and each is tried at each process with every kind of token. A method added
//! later is walked, too, and must be put under a role to pass.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::FileDescriptorProto;
use shim_redis_harness::Redis;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Request};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::auth_client::{AuthClient, LIST_SESSIONS, write_token_file};

const READ: &str = "token-of-those-who-read";
const WRITE: &str = "token-of-those-who-write";
const ADMIN: &str = "token-of-those-who-rule";
const EXPIRED: &str = "token-of-yesterday-only";

const TOKENS: &str = "\
token-of-those-who-read role=read name=reader
token-of-those-who-write role=write name=writer
token-of-those-who-rule role=admin name=admin until=2999-01-01T00:00:00Z
token-of-yesterday-only role=admin name=former until=2020-01-01T00:00:00Z
";

const CHECKPOINT: &[&str] = &[
    "shim.checkpoint.v1.CheckpointService",
    "shim.checkpoint.v1.SignalService",
    "shim.checkpoint.v1.ObservationService",
];
const COORDINATION: &[&str] = &[
    "shim.coordination.v1.TaskService",
    "shim.coordination.v1.StateService",
    "shim.coordination.v1.LockService",
    "shim.coordination.v1.BusService",
    "shim.coordination.v1.RegistryService",
];
const WORKER: &[&str] = &["shim.worker.v1.WorkerService"];
const EVOLUTION: &[&str] = &["shim.evolution.v1.EvolutionService"];

const HEALTH: &str = "grpc.health.v1.Health";
/// Each version tells of itself only.
const REFLECTION: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// The weakest of the three tokens a method should let in: by its name, so that no list of the program's is repeated.
fn weakest_token_for(method: &str) -> &'static str {
    const READ_VERBS: [&str; 10] = [
        "Get",
        "List",
        "Watch",
        "Search",
        "Detect",
        "Assess",
        "Diff",
        "Aggregate",
        "Subscribe",
        "ServerReflection",
    ];
    const ADMIN_METHODS: [&str; 11] = [
        "DeleteSession",
        "Prune",
        "Export",
        "Import",
        "StartWorker",
        "DrainWorker",
        "StopWorker",
        "PauseQueues",
        "PruneTasks",
        "ResumeQueues",
        "TrustProject",
    ];
    if ADMIN_METHODS.contains(&method) {
        ADMIN
    } else if method == "GetGuidance" {
        // It keeps the event that it is asked at.
        WRITE
    } else if method == "QueueHealth" || READ_VERBS.iter().any(|verb| method.starts_with(verb)) {
        READ
    } else {
        WRITE
    }
}

/// The methods of each service, by reflection, which tells every process's clients of the whole contract.
async fn contract(auth_client: &AuthClient) -> BTreeMap<String, Vec<String>> {
    let mut client = ServerReflectionClient::new(auth_client.channel());
    let mut ask = async |asked: MessageRequest| {
        let message = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(asked),
        };
        let mut request = Request::new(futures::stream::iter([message]));
        let shown = format!("Bearer {READ}").parse().unwrap();
        request.metadata_mut().insert("authorization", shown);
        let answers = client.server_reflection_info(request).await.unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        answer.message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(list) =
        ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("reflection lists no services");
    };
    let own = vec!["ServerReflectionInfo".to_owned()];
    let mut contract = BTreeMap::from(REFLECTION.map(|name| (name.to_owned(), own.clone())));
    for service in list.service {
        let asked = MessageRequest::FileContainingSymbol(service.name.clone());
        let MessageResponse::FileDescriptorResponse(files) = ask(asked).await else {
            panic!("reflection does not know {}", service.name);
        };
        let files = files.file_descriptor_proto.iter();
        let files: Vec<_> = files
            .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap())
            .collect();
        let methods = files.iter().flat_map(|file| {
            let own = file.service.iter();
            own.filter(|found| format!("{}.{}", file.package(), found.name()) == service.name)
                .flat_map(|found| found.method.iter().map(|method| method.name().to_owned()))
        });
        let methods = methods.collect();
        contract.insert(service.name, methods);
    }
    contract.remove(HEALTH);
    contract
}

/// Tries every token at every method of the contract, at a process that serves the services `expected`.
async fn try_every_method(launch: Launch, tokens: &TempEnv, expected: &[&str]) {
    let file = write_token_file(tokens.root(), TOKENS);
    let launch = launch.env("SHIM_AUTH_TOKEN_FILE", &file.display().to_string());
    let auth_client = AuthClient::start(launch).await;
    let mut tried = 0;
    for (service, methods) in contract(&auth_client).await {
        let is_expected = expected.iter().chain(&REFLECTION).any(|it| *it == service);
        assert!(!methods.is_empty(), "{service} has no methods");
        for method in methods {
            let is_served = try_all(
                &auth_client,
                &format!("/{service}/{method}"),
                weakest_token_for(&method),
            )
            .await;
            assert_eq!(is_served, is_expected, "{service} is served");
            tried += 1;
        }
    }
    assert!(tried >= 78, "reflection tells of {tried} methods");
    // The supervisor of the process has no token.
    for method in ["Check", "Watch"] {
        let path = format!("/{HEALTH}/{method}");
        auth_client.call(&path, None).await.unwrap();
    }
}

/// Tries every token at one method; whether the process serves it.
async fn try_all(auth_client: &AuthClient, path: &str, key: &str) -> bool {
    for (token, reason) in [
        (None, "TOKEN_REFUSED"),
        (Some("a-token-nobody-ever-gave"), "TOKEN_REFUSED"),
        (Some(EXPIRED), "TOKEN_EXPIRED"),
    ] {
        let refused = auth_client.refusal(path, token).await;
        assert_eq!(refused.code, Code::Unauthenticated, "{path} with {token:?}");
        assert_eq!(refused.reason, reason, "{path} with {token:?}");
    }
    let (mut is_enough, mut is_served) = (false, false);
    for token in [READ, WRITE, ADMIN] {
        is_enough |= token == key;
        if is_enough {
            is_served = auth_client.assert_admitted(path, token).await;
        } else {
            let refused = auth_client.refusal(path, Some(token)).await;
            assert_eq!(refused.code, Code::PermissionDenied, "{path} with {token}");
            assert_eq!(refused.reason, "ROLE_REFUSED", "{path} with {token}");
        }
    }
    is_served
}

#[tokio::test]
async fn without_the_right_token_no_method_of_the_checkpoint_service_answers() {
    let temp = TempEnv::new();
    try_every_method(Launch::checkpoint(&temp.data_dir()), &temp, CHECKPOINT).await;
}

#[tokio::test]
async fn without_the_right_token_no_method_of_the_coordination_service_answers() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = Launch::coordination(&temp.data_dir(), &redis.url());
    try_every_method(launch, &temp, COORDINATION).await;
}

#[tokio::test]
async fn without_the_right_token_no_method_of_the_worker_service_answers() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = Launch::worker(&temp.data_dir(), &redis.url());
    try_every_method(launch, &temp, WORKER).await;
}

#[tokio::test]
async fn without_the_right_token_no_method_of_the_evolution_service_answers() {
    let temp = TempEnv::new();
    try_every_method(Launch::evolution(&temp.data_dir()), &temp, EVOLUTION).await;
}

#[tokio::test]
async fn without_the_right_token_no_method_of_the_whole_stack_answers() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = Launch::stack(&temp.data_dir(), &redis.url());
    let services = [CHECKPOINT, COORDINATION, WORKER, EVOLUTION].concat();
    try_every_method(launch, &temp, &services).await;
}

#[tokio::test]
async fn an_address_others_can_reach_is_not_served_without_tokens_or_certificates() {
    let temp = TempEnv::new();
    let launch = Launch::checkpoint(&temp.data_dir()).env("SHIM_LISTEN", "0.0.0.0:0");
    let failure = launch.start().await.unwrap_err();
    assert!(failure.status.is_some_and(|status| !status.success()));
    for remedy in ["auth.token_file", "tls.client_ca_file", "127.0.0.1"] {
        assert!(failure.log.contains(remedy), "{}", failure.log);
    }
}

#[tokio::test]
async fn a_bare_token_of_an_older_file_may_do_everything() {
    let temp = TempEnv::new();
    let file = write_token_file(temp.root(), "an-old-file-with-one-token\n");
    let launch = Launch::checkpoint(&temp.data_dir());
    let auth_client =
        AuthClient::start(launch.env("SHIM_AUTH_TOKEN_FILE", &file.display().to_string())).await;
    let token = "an-old-file-with-one-token";
    auth_client.call(LIST_SESSIONS, Some(token)).await.unwrap();
    auth_client
        .assert_admitted("/shim.checkpoint.v1.CheckpointService/Prune", token)
        .await;
}
