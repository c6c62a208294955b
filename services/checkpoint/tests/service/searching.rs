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

/// The numbers of the checkpoints found, and the first snippet.
async fn found(service: &mut TestService, query: &str) -> (Vec<u64>, String) {
    let hits = search(service, query).await;
    let numbers = hits
        .iter()
        .map(|hit| hit.checkpoint.as_ref().unwrap().number);
    let snippet = hits
        .first()
        .map(|hit| hit.snippet.clone())
        .unwrap_or_default();
    (numbers.collect(), snippet)
}

#[tokio::test]
async fn words_of_any_script_and_pieces_of_words_are_found() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    for (task, decisions) in [
        ("修复用户身份验证的超时问题", "会话保存在本地"),
        (
            "ユーザー認証のタイムアウトを直す",
            "セッションはローカルに置く",
        ),
        ("로그인을 고치고 시간초과를 늘린다", "세션은 로컬에"),
        (
            "rename parseHttpHeader to readHeader",
            "tables in src/store/index.rs",
        ),
        ("the parser of the lexer", "group commit"),
        ("Größe der Übersicht", "naïve café"),
    ] {
        let content = CheckpointState {
            decisions: vec![decisions.to_owned()],
            ..state(task, 0.5)
        };
        service.save(&session, content).await.unwrap();
    }
    for (query, numbers, marked) in [
        ("身份验证", &[1][..], "用户**身份验证**的"),
        ("验证", &[1], "身份**验证**的"),
        ("验", &[1], "身份**验**证"),
        ("身份验证 本地", &[1], "**身份验证**"),
        ("身份验证 认证", &[], ""),
        ("認証", &[2], "ユーザー**認証**の"),
        ("タイムアウト", &[2], "**タイムアウト**を"),
        ("로그인", &[3], "**로그인**을"),
        ("parseHttp", &[4], "rename **parseHttp**Header"),
        ("httphead", &[4], "parse**HttpHead**er"),
        ("Header", &[4], "parseHttp**Header**"),
        ("pars", &[5, 4], "the **pars**er of"),
        ("store/index", &[4], "src/**store/index**.rs"),
        ("ex.rs", &[4], "ind**ex.rs**"),
        ("ubersicht", &[6], "der **Übersicht**"),
        ("cafe", &[6], "naïve **café**"),
        ("\"group commit\"", &[5], "**group commit**"),
        ("absent", &[], ""),
        ("不存在", &[], ""),
    ] {
        let (found_numbers, snippet) = found(&mut service, query).await;
        let sorted = |mut numbers: Vec<u64>| {
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(
            sorted(found_numbers),
            sorted(numbers.to_vec()),
            "{query}: {snippet}"
        );
        assert!(snippet.contains(marked), "{query}: {snippet}");
    }
    // A whole word comes before a piece of one, whichever is newer.
    service.save(&session, state("a lexer", 0.5)).await.unwrap();
    service
        .save(&session, state("relexerize", 0.5))
        .await
        .unwrap();
    let (numbers, _) = found(&mut service, "lexer").await;
    assert_eq!(numbers.last(), Some(&8), "{numbers:?}");
    assert_eq!(numbers.len(), 3, "{numbers:?}");
}
