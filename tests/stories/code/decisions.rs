//! Decisions that contradict each other: two at once, twice, in the wrong order, under an id that was used, about another
//! project. Each ends in a clear refusal or the first one's answer, and has one effect.

use serde_json::json;
use shim_proto::evolution::v1::approve_evolution_response::Event;
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::{
    ApproveEvolutionRequest, Evolution, EvolutionState, GetEvolutionRequest, ListEvolutionsRequest,
    ListEvolutionsResponse, RevertEvolutionRequest,
};
use shim_runtime::client::Channel;
use shim_runtime::service_error::decode;
use tonic::{Code, Status};

use super::CodeEnv;

type Client = EvolutionServiceClient<Channel>;

const TRANSFORMS: [&str; 2] = ["var-to-let-const", "object-shorthand"];

/// Proposals of the project, in the order of their transforms.
async fn proposals(env: &CodeEnv) -> [String; 2] {
    env.commit(&[("src/more.js", "exports.pair = (a) => ({ a: a });\n")]);
    let words = [
        "evolve",
        ".",
        "--transform",
        TRANSFORMS[0],
        "--transform",
        TRANSFORMS[1],
        "--json",
    ];
    let proposed = env.json(&words).await;
    TRANSFORMS.map(|name| {
        let evolutions = proposed.iter().map(|it| &it["evolution"]);
        let found = evolutions.into_iter().find(|it| it["transform"] == name);
        found.unwrap_or_else(|| panic!("{proposed:?}"))["evolutionId"]
            .as_str()
            .unwrap()
            .to_owned()
    })
}

fn decision(request_id: &str, id: &str, approve: bool) -> ApproveEvolutionRequest {
    ApproveEvolutionRequest {
        request_id: request_id.to_owned(),
        evolution_id: id.to_owned(),
        approve,
        ..ApproveEvolutionRequest::default()
    }
}

async fn decide(client: &Client, asked: ApproveEvolutionRequest) -> Result<Evolution, Status> {
    let mut stream = client.clone().approve_evolution(asked).await?.into_inner();
    let mut end = None;
    while let Some(message) = stream.message().await? {
        if let Some(Event::Evolution(evolution)) = message.event {
            end = Some(evolution);
        }
    }
    Ok(end.expect("the last message is the evolution"))
}

async fn revert(
    client: &Client,
    request_id: &str,
    id: &str,
    reason: &str,
) -> Result<Evolution, Status> {
    let asked = RevertEvolutionRequest {
        request_id: request_id.to_owned(),
        evolution_id: id.to_owned(),
        reason: reason.to_owned(),
    };
    let answer = client.clone().revert_evolution(asked).await?;
    Ok(answer.into_inner().evolution.unwrap())
}

async fn state(client: &Client, id: &str) -> EvolutionState {
    let asked = GetEvolutionRequest {
        evolution_id: id.to_owned(),
    };
    let found = client.clone().get_evolution(asked).await.unwrap();
    found.into_inner().evolution.unwrap().state()
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) {
    let refused = decode(&answer.unwrap_err());
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (code, reason),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_decisions_one_counts_and_the_other_is_told_so() {
    let env = CodeEnv::new().await;
    let client = Client::new(env.service.channel());
    let [id, other] = proposals(&env).await;
    let too_early = revert(&client, "early", &id, "").await;
    assert_refused(too_early, Code::FailedPrecondition, "EVOLUTION_STATE");

    let (one, two) = tokio::join!(
        decide(&client, decision("one", &id, true)),
        decide(&client, decision("two", &id, true))
    );
    let (done, refused, winner) = match (one, two) {
        (Ok(done), refused) => (done, refused, "one"),
        (refused, Ok(done)) => (done, refused, "two"),
        both => panic!("{both:?}"),
    };
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert_refused(refused, Code::FailedPrecondition, "EVOLUTION_STATE");
    let again = decide(&client, decision(winner, &id, true)).await.unwrap();
    assert_eq!(again.commit, done.commit);
    for contrary in [decision(winner, &id, false), decision(winner, &other, true)] {
        let answer = decide(&client, contrary).await;
        assert_refused(answer, Code::InvalidArgument, "REQUEST_ID_REUSED");
    }
    let late = decide(&client, decision("late", &id, false)).await;
    assert_refused(late, Code::FailedPrecondition, "EVOLUTION_STATE");
    let unknown = ApproveEvolutionRequest {
        paths: vec!["../ranges.js".to_owned()],
        ..decision("paths", &other, true)
    };
    assert_refused(
        decide(&client, unknown).await,
        Code::InvalidArgument,
        "BAD_REQUEST",
    );
    assert_eq!(state(&client, &other).await, EvolutionState::Proposed);
    assert_eq!(env.git(&["branch", "--list", "shim/*"]).lines().count(), 1);
    env.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversion_is_made_once_and_its_id_stands_for_nothing_else() {
    let env = CodeEnv::new().await;
    let client = Client::new(env.service.channel());
    let [id, other] = proposals(&env).await;
    for id in [&id, &other] {
        decide(
            &client,
            decision(&format!("approve {id}").replace(' ', "-"), id, true),
        )
        .await
        .unwrap();
    }
    let (one, two) = tokio::join!(
        revert(&client, "back", &id, "not now"),
        revert(&client, "back", &id, "not now")
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.state(), EvolutionState::Reverted);
    assert_eq!(one, two);
    assert_eq!(revert(&client, "back", &id, "not now").await.unwrap(), one);
    for (about, reason) in [(&other, "not now"), (&id, "another reason")] {
        let answer = revert(&client, "back", about, reason).await;
        assert_refused(answer, Code::InvalidArgument, "REQUEST_ID_REUSED");
    }
    assert_eq!(state(&client, &other).await, EvolutionState::Committed);
    let twice = revert(&client, "again", &id, "").await;
    assert_refused(twice, Code::FailedPrecondition, "EVOLUTION_STATE");
    assert_eq!(env.git(&["branch", "--list", "shim/*"]).lines().count(), 1);
    env.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_with_its_own_list_alone_and_ends_with_the_last_one() {
    let env = CodeEnv::new().await;
    let client = Client::new(env.service.channel());
    let ids = proposals(&env).await;
    let list = async |states: &[EvolutionState], page_token: &str| {
        let asked = ListEvolutionsRequest {
            states: states.iter().map(|it| (*it).into()).collect(),
            page_size: 1,
            page_token: page_token.to_owned(),
            ..ListEvolutionsRequest::default()
        };
        let listed = client.clone().list_evolutions(asked).await;
        listed.map(tonic::Response::into_inner)
    };
    let first: ListEvolutionsResponse = list(&[], "").await.unwrap();
    let second = list(&[], &first.next_page_token).await.unwrap();
    let mut found = [first.evolutions, second.evolutions].concat();
    found.sort_by_key(|it| ids.iter().position(|id| *id == it.evolution_id));
    assert_eq!(
        found
            .iter()
            .map(|it| it.evolution_id.as_str())
            .collect::<Vec<_>>(),
        ids
    );
    assert_eq!(
        second.next_page_token, "",
        "nothing comes after the last one"
    );
    let token = first.next_page_token.as_str();
    let of_others = list(&[EvolutionState::Proposed], token).await;
    assert_refused(of_others, Code::InvalidArgument, "BAD_REQUEST");
    for changed in [
        format!("{token}0"),
        format!("0{token}"),
        token.to_uppercase() + ".",
    ] {
        assert_refused(
            list(&[], &changed).await,
            Code::InvalidArgument,
            "BAD_REQUEST",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_about_another_project_or_with_fields_of_another_kind_is_refused() {
    let env = CodeEnv::new().await;
    let [id, _] = proposals(&env).await;
    let elsewhere = env.temp.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    for (kind, payload, why) in [
        (
            "evolve",
            json!({"evolution_id": id, "path": elsewhere}),
            "is of",
        ),
        (
            "evolve",
            json!({"evolution_id": id, "limit": 1}),
            "payload.limit",
        ),
        (
            "analyze",
            json!({"max_functions": 1}),
            "payload.max_functions",
        ),
        ("generate_tests", json!({"seed": -1}), "payload.seed"),
    ] {
        let payload = payload.to_string();
        let words = [
            "tasks",
            "submit",
            "g",
            "--kind",
            kind,
            "--payload",
            &payload,
            "--wait",
        ];
        let output = env.shim(&words).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(why),
            "{kind} {payload}: {said}"
        );
    }
    env.assert_untouched();
    // What is taken over from a job may be for another of its tasks; the task that does not heed it says so.
    let parts = json!([{"key": "a", "goal": "g", "kind": "analyze"}, {"key": "b", "goal": "g", "kind": "evolve"}]);
    let file = env.temp.root().join("parts.json");
    std::fs::write(&file, parts.to_string()).unwrap();
    let payload = json!({"path": env.root(), "transforms": ["dead-code"]}).to_string();
    let file = file.display().to_string();
    let words = [
        "tasks",
        "submit",
        "g",
        "--subtasks",
        &file,
        "--payload",
        &payload,
        "--wait",
        "--json",
    ];
    let merged = env.json(&words).await.last().unwrap().to_string();
    assert!(
        merged.contains("note: payload.transforms was not heeded"),
        "{merged}"
    );
}
