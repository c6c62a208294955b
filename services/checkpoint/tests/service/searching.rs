//! Full-text search: what was saved is found at once, what was thinned is not.

use prost_types::Duration;
use shim_proto::checkpoint::v1::*;

use crate::house::{House, id, state};

async fn search(house: &mut House, query: &str) -> Vec<SearchHit> {
    let request = SearchCheckpointsRequest {
        query: query.into(),
        ..Default::default()
    };
    house
        .api
        .search_checkpoints(request)
        .await
        .unwrap()
        .into_inner()
        .hits
}

#[tokio::test]
async fn a_saved_word_is_found_at_once_and_a_pruned_one_no_more() {
    let mut house = House::open().await;
    let session = house.open_session("/p").await;
    for i in 0..15 {
        let text = CheckpointState {
            summary: format!("the quokka number{i} hops"),
            ..state("zoo", 0.5)
        };
        house.save(&session, text).await.unwrap();
    }
    assert_eq!(search(&mut house, "number3").await.len(), 1);
    let hits = search(&mut house, "\"quokka number14\" hops").await;
    assert_eq!(hits.len(), 1);
    assert!(
        hits[0].snippet.contains("**quokka number14**"),
        "{}",
        hits[0].snippet
    );
    assert!(
        search(&mut house, "NOT OR \"").await.is_empty(),
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
    let pruned = house.api.prune(prune.clone()).await.unwrap().into_inner();
    assert_eq!(pruned.thinned_checkpoints, 10);
    assert_eq!(house.api.prune(prune).await.unwrap().into_inner(), pruned);
    assert!(search(&mut house, "number3").await.is_empty());
    let headers = house.headers(&session.id).await;
    assert_eq!(headers.len(), 15, "headers stay");
    assert_eq!(
        headers.iter().filter(|c| c.thinned_at.is_some()).count(),
        10
    );
}
