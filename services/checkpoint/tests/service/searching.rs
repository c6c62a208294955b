//! Full-text search: what was saved is found at once, what was thinned is not.

use prost_types::Duration;
use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, id, state};

async fn search(service: &mut TestService, query: &str) -> Vec<SearchHit> {
    let request = SearchCheckpointsRequest {
        query: query.into(),
        ..Default::default()
    };
    service
        .api
        .search_checkpoints(request)
        .await
        .unwrap()
        .into_inner()
        .hits
}

#[tokio::test]
async fn a_saved_word_is_found_at_once_and_a_pruned_one_no_more() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for i in 0..15 {
        let text = CheckpointState {
            summary: format!("the quokka number{i} hops"),
            ..state("zoo", 0.5)
        };
        service.save(&session, text).await.unwrap();
    }
    assert_eq!(search(&mut service, "number3").await.len(), 1);
    let hits = search(&mut service, "\"quokka number14\" hops").await;
    assert_eq!(hits.len(), 1);
    assert!(
        hits[0].snippet.contains("**quokka number14**"),
        "{}",
        hits[0].snippet
    );
    assert!(
        search(&mut service, "NOT OR \"").await.is_empty(),
        "operators are words"
    );

    let prune = PruneRequest {
        request_id: id(),
        session_id: session.id.clone(),
        older_than: Some(Duration {
            seconds: 0,
            nanos: 0,
        }),
        keep_last: 5,
        ..Default::default()
    };
    let pruned = service.api.prune(prune.clone()).await.unwrap().into_inner();
    assert_eq!(pruned.thinned_checkpoints, 10);
    assert_eq!(service.api.prune(prune).await.unwrap().into_inner(), pruned);
    assert!(search(&mut service, "number3").await.is_empty());
    let headers = service.headers(&session.id).await;
    assert_eq!(headers.len(), 15, "headers stay");
    assert_eq!(
        headers.iter().filter(|c| c.thinned_at.is_some()).count(),
        10
    );
}
