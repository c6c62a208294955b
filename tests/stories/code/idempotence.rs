//! A streaming mutation that is sent twice has one effect and one answer, at once or later.

use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::evolution::v1::evolve_code_response::Event;
use shim_proto::evolution::v1::{EvolveCodeRequest, ListEvolutionsRequest};
use shim_runtime::client::Channel;
use shim_runtime::service_error::decode;

use super::{CodeEnv, text};

type Client = EvolutionServiceClient<Channel>;

/// The ids of what was proposed.
async fn propose(client: &mut Client, request: EvolveCodeRequest) -> Vec<String> {
    let mut stream = client.evolve_code(request).await.unwrap().into_inner();
    let (mut ids, mut has_summary) = (Vec::new(), false);
    while let Some(message) = stream.message().await.unwrap() {
        match message.event {
            Some(Event::Evolution(evolution)) => ids.push(evolution.evolution_id),
            Some(Event::Summary(_)) => has_summary = true,
            _ => {}
        }
    }
    assert!(has_summary);
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_joins_the_run_or_gets_its_answer() {
    let env = CodeEnv::new().await;
    let client = EvolutionServiceClient::new(env.service.channel());
    let request = EvolveCodeRequest {
        request_id: "once".to_owned(),
        path: text(&env.root()),
        ..EvolveCodeRequest::default()
    };
    let (mut first, mut second) = (client.clone(), client.clone());
    let (one, other) = tokio::join!(
        propose(&mut first, request.clone()),
        propose(&mut second, request.clone())
    );
    assert!(!one.is_empty());
    assert_eq!(one, other);
    assert_eq!(propose(&mut first, request.clone()).await, one);
    let reused = EvolveCodeRequest {
        limit: 1,
        ..request
    };
    let refused = first.evolve_code(reused).await.unwrap_err();
    assert_eq!(decode(&refused).reason, "REQUEST_ID_REUSED");
    let listed = second
        .list_evolutions(ListEvolutionsRequest::default())
        .await;
    assert_eq!(listed.unwrap().into_inner().evolutions.len(), one.len());
    env.assert_untouched();
}
