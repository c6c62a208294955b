//! Stories of versioned state.

use std::collections::BTreeMap;

use prost::Message;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::test_service::{TestService, id, object, refusal, span};

pub(crate) fn put(key: &str, fields: &[(&str, &str)]) -> PutStateRequest {
    PutStateRequest {
        request_id: id(),
        key: key.into(),
        value: Some(object(fields)),
        ..Default::default()
    }
}

pub(crate) async fn get(service: &mut TestService, key: &str) -> StateEntry {
    let request = GetStateRequest {
        key: key.into(),
        ..Default::default()
    };
    let answer = service.state.get_state(request).await.unwrap();
    answer.into_inner().entry.unwrap()
}

#[tokio::test]
async fn an_entry_is_read_with_its_version_and_expiry() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let request = PutStateRequest {
        writer: "me".into(),
        ..put(
            "a key with spaces: ü",
            &[("goal", "ship"), ("", "empty name")],
        )
    };
    let written = service.state.put_state(request).await.unwrap().into_inner();
    let entry = get(&mut service, "a key with spaces: ü").await;
    assert_eq!(entry.version, written.version);
    assert_eq!(entry.namespace, "default");
    assert_eq!(entry.writer, "me");
    assert_eq!(
        entry.value,
        Some(object(&[("goal", "ship"), ("", "empty name")]))
    );
    let (updated, expires) = (entry.updated_at.unwrap(), entry.expires_at.unwrap());
    let kept = expires.seconds - updated.seconds;
    assert!((3_599..=3_600).contains(&kept), "kept {kept} s");
}

#[tokio::test]
async fn a_write_over_another_version_is_refused_and_names_it() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let first = service
        .state
        .put_state(put("k", &[("n", "1")]))
        .await
        .unwrap();
    let version = first.into_inner().version;
    let create = PutStateRequest {
        expected_version: Some(0),
        ..put("k", &[("n", "2")])
    };
    let refused = service.state.put_state(create).await.unwrap_err();
    assert!(
        refused.message().contains(&format!("version {version}")),
        "{refused}"
    );
    assert_eq!(
        refusal::<()>(Err(refused)),
        (Code::Aborted, "VERSION_MISMATCH".into())
    );
    let over = PutStateRequest {
        expected_version: Some(version),
        ..put("k", &[("n", "3")])
    };
    let second = service.state.put_state(over).await.unwrap().into_inner();
    assert!(second.version > version);
    assert_eq!(
        get(&mut service, "k").await.value,
        Some(object(&[("n", "3")]))
    );
}

#[tokio::test]
async fn a_version_is_not_used_again_after_a_deletion() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let first = service
        .state
        .put_state(put("k", &[]))
        .await
        .unwrap()
        .into_inner();
    let delete = DeleteStateRequest {
        request_id: id(),
        key: "k".into(),
        ..Default::default()
    };
    let deleted = service.state.delete_state(delete.clone()).await.unwrap();
    assert!(deleted.into_inner().existed);
    service.state.put_state(put("k", &[])).await.unwrap();
    let stale = PutStateRequest {
        expected_version: Some(first.version),
        ..put("k", &[])
    };
    let refused = refusal(service.state.put_state(stale).await);
    assert_eq!(refused, (Code::Aborted, "VERSION_MISMATCH".into()));
    // The repetition gets the same response and deletes nothing.
    let again = service.state.delete_state(delete).await.unwrap();
    assert!(again.into_inner().existed);
    get(&mut service, "k").await;
}

#[tokio::test]
async fn the_same_request_twice_has_one_effect_and_one_answer() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let request = put("k", &[("n", "1")]);
    let first = service
        .state
        .put_state(request.clone())
        .await
        .unwrap()
        .into_inner();
    let other = service
        .state
        .put_state(put("k", &[("n", "2")]))
        .await
        .unwrap();
    let again = service
        .state
        .put_state(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    assert_eq!(
        get(&mut service, "k").await.version,
        other.into_inner().version
    );
    let reused = PutStateRequest {
        value: Some(object(&[("n", "9")])),
        ..request
    };
    let refused = refusal(service.state.put_state(reused).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn a_patch_touches_only_its_fields() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    service
        .state
        .put_state(put("k", &[("a", "1"), ("b", "2"), ("c", "3")]))
        .await
        .unwrap();
    let patch = PatchStateRequest {
        request_id: id(),
        key: "k".into(),
        set: Some(object(&[("b", "two"), ("d", "4")])),
        remove: vec!["c".into(), "not there".into()],
        ..Default::default()
    };
    service.state.patch_state(patch.clone()).await.unwrap();
    let entry = get(&mut service, "k").await;
    assert_eq!(
        entry.value,
        Some(object(&[("a", "1"), ("b", "two"), ("d", "4")]))
    );

    let missing = PatchStateRequest {
        request_id: id(),
        key: "missing".into(),
        ..patch
    };
    let refused = refusal(service.state.patch_state(missing.clone()).await);
    assert_eq!(refused, (Code::NotFound, "STATE_NOT_FOUND".into()));
    let create = PatchStateRequest {
        create_if_missing: true,
        ..missing
    };
    service.state.patch_state(create).await.unwrap();
    let entry = get(&mut service, "missing").await;
    assert_eq!(entry.value, Some(object(&[("b", "two"), ("d", "4")])));
}

#[tokio::test]
async fn patches_cannot_grow_an_entry_beyond_its_limit() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let half = "x".repeat(600_000);
    service
        .state
        .put_state(put("k", &[("a", &half)]))
        .await
        .unwrap();
    let patch = |name: &str| PatchStateRequest {
        request_id: id(),
        key: "k".into(),
        set: Some(object(&[(name, &half)])),
        ..Default::default()
    };
    let refused = refusal(service.state.patch_state(patch("b")).await);
    assert_eq!(refused, (Code::InvalidArgument, "STATE_TOO_LARGE".into()));
    service.state.patch_state(patch("a")).await.unwrap();
}

#[tokio::test]
async fn a_patch_keeps_the_expiry_unless_it_names_one() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let request = PutStateRequest {
        ttl: span(100_000),
        ..put("k", &[("a", "1")])
    };
    let before = service.state.put_state(request).await.unwrap().into_inner();
    let patch = PatchStateRequest {
        request_id: id(),
        key: "k".into(),
        set: Some(object(&[("a", "2")])),
        ..Default::default()
    };
    let kept = service
        .state
        .patch_state(patch.clone())
        .await
        .unwrap()
        .into_inner();
    let drift = kept.expires_at.unwrap().seconds - before.expires_at.unwrap().seconds;
    assert!(drift.abs() <= 1, "{drift}");
    let longer = PatchStateRequest {
        request_id: id(),
        ttl: span(200_000),
        ..patch
    };
    let later = service
        .state
        .patch_state(longer)
        .await
        .unwrap()
        .into_inner();
    assert!(later.expires_at.unwrap().seconds - before.expires_at.unwrap().seconds > 90);
}

#[tokio::test]
async fn pages_hold_every_entry_once_in_order() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    for i in 0..25 {
        let key = format!("task/{i:02}");
        service
            .state
            .put_state(put(&key, &[("i", &key)]))
            .await
            .unwrap();
    }
    service.state.put_state(put("tasl", &[])).await.unwrap();
    let mut keys = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListStateRequest {
            key_prefix: "task/".into(),
            page_size: 10,
            page_token: token,
            ..Default::default()
        };
        let page = service
            .state
            .list_state(request)
            .await
            .unwrap()
            .into_inner();
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (0..25).map(|i| format!("task/{i:02}")).collect();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn large_entries_end_a_page_early() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let large = "x".repeat(900_000);
    for i in 0..12 {
        service
            .state
            .put_state(put(&format!("k{i:02}"), &[("x", &large)]))
            .await
            .unwrap();
    }
    let mut seen = BTreeMap::new();
    let mut pages = 0;
    let mut token = String::new();
    loop {
        let request = ListStateRequest {
            page_size: 1_000,
            page_token: token,
            ..Default::default()
        };
        let page = service
            .state
            .list_state(request)
            .await
            .unwrap()
            .into_inner();
        pages += 1;
        // The default limit of a client's decoder.
        assert!(page.encoded_len() < 4 << 20, "{}", page.encoded_len());
        for entry in page.entries {
            *seen.entry(entry.key).or_insert(0) += 1;
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(pages >= 3, "{pages} pages");
    assert_eq!(seen.len(), 12);
    assert!(seen.values().all(|times| *times == 1));
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let request = PutStateRequest {
        namespace: "no{braces}".into(),
        key: "line\nbreak".into(),
        ttl: span(1),
        writer: "w".repeat(201),
        fence: Some(Fence::default()),
        ..Default::default()
    };
    let refused = service.state.put_state(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for field in [
        "request_id",
        "namespace",
        "key",
        "value",
        "ttl",
        "writer",
        "fence.lock",
        "fence.token",
    ] {
        assert!(
            refused.message().contains(&format!("{field}:")),
            "{field}: {refused}"
        );
    }
}

#[tokio::test]
async fn without_redis_every_call_says_so_at_once() {
    let mut service = TestService::start_unready("", &[]).await;
    let refused = refusal(service.state.put_state(put("k", &[])).await);
    assert_eq!(refused, (Code::Unavailable, "NO_REDIS".into()));
}

#[tokio::test]
async fn state_survives_the_death_of_redis_and_calls_fail_fast_meanwhile() {
    let mut redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    service
        .state
        .put_state(put("k", &[("a", "1")]))
        .await
        .unwrap();
    redis.kill();
    let asked = std::time::Instant::now();
    let refused = refusal(service.state.put_state(put("k", &[("a", "2")])).await);
    assert_eq!(refused, (Code::Unavailable, "STORE_UNAVAILABLE".into()));
    assert!(asked.elapsed().as_millis() < 1_000, "{:?}", asked.elapsed());
    redis.restart();
    super::test_service::within(async {
        while service.state.put_state(put("other", &[])).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        get(&mut service, "k").await.value,
        Some(object(&[("a", "1")]))
    );
}
