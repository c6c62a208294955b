//! Stories of file leases.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error;
use tonic::{Code, Status};

use super::test_service::{TestService, id, refusal, span, within};

use FileLeaseMode::{Exclusive, Shared};

pub(crate) fn acquire_request(
    holder: &str,
    mode: FileLeaseMode,
    patterns: &[&str],
) -> AcquireFilesRequest {
    AcquireFilesRequest {
        request_id: id(),
        holder: holder.into(),
        purpose: "a refactoring".into(),
        patterns: patterns.iter().map(|&pattern| pattern.into()).collect(),
        mode: mode.into(),
        ..Default::default()
    }
}

pub(crate) async fn acquire(
    service: &TestService,
    request: AcquireFilesRequest,
) -> Result<FileLease, Status> {
    let answer = service.locks.clone().acquire_files(request).await?;
    Ok(answer.into_inner().lease.unwrap())
}

pub(crate) async fn renew(
    service: &TestService,
    lease: &FileLease,
    ttl_ms: u64,
) -> Result<FileLease, Status> {
    let request = RenewFilesRequest {
        lease_id: lease.lease_id.clone(),
        holder: lease.holder.clone(),
        ttl: span(ttl_ms),
        ..Default::default()
    };
    let answer = service.locks.clone().renew_files(request).await?;
    Ok(answer.into_inner().lease.unwrap())
}

pub(crate) async fn release(service: &TestService, holder: &str, leases: &[&FileLease]) -> u32 {
    let request = ReleaseFilesRequest {
        request_id: id(),
        holder: holder.into(),
        lease_ids: leases.iter().map(|lease| lease.lease_id.clone()).collect(),
        ..Default::default()
    };
    let answer = service.locks.clone().release_files(request).await;
    answer.unwrap().into_inner().released
}

pub(crate) async fn list(service: &TestService, request: ListFilesRequest) -> Vec<FileLease> {
    let answer = service.locks.clone().list_files(request).await;
    answer.unwrap().into_inner().leases
}

pub(crate) fn files_held() -> (Code, String) {
    (Code::Aborted, "FILES_HELD".into())
}

pub(super) fn lease_lost() -> (Code, String) {
    (Code::FailedPrecondition, "LEASE_LOST".into())
}

#[tokio::test]
async fn a_conflict_names_pattern_holder_purpose_and_end() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lease = acquire(
        &service,
        acquire_request("ann", Exclusive, &["docs", "src/**"]),
    )
    .await
    .unwrap();
    assert_eq!(
        (lease.workspace.as_str(), lease.mode()),
        ("default", Exclusive)
    );
    assert_eq!(lease.patterns, ["docs", "src/**"]);
    let until = lease.expires_at.unwrap();
    assert_eq!(until.seconds - lease.acquired_at.unwrap().seconds, 600);

    let refused = acquire(
        &service,
        acquire_request("bob", Exclusive, &["README.md", "src/a.rs"]),
    )
    .await;
    let refused = refused.unwrap_err();
    let words = format!("src/a.rs overlaps src/** held by ann (a refactoring) until {until}");
    assert!(refused.message().contains(&words), "{refused}");
    assert!(service_error::decode(&refused).retry_after.is_some());
    assert_eq!(refusal::<()>(Err(refused)), files_held());
    // A refused request leases none of its files, and leases of another workspace do not conflict.
    acquire(&service, acquire_request("eve", Exclusive, &["README.md"]))
        .await
        .unwrap();
    let elsewhere = AcquireFilesRequest {
        workspace: "other".into(),
        ..acquire_request("bob", Exclusive, &["src/a.rs"])
    };
    acquire(&service, elsewhere).await.unwrap();
}

#[tokio::test]
async fn shared_leases_coexist_and_exclude_exclusive_ones() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    acquire(&service, acquire_request("ann", Shared, &["src"]))
        .await
        .unwrap();
    acquire(&service, acquire_request("bob", Shared, &["src/*.rs"]))
        .await
        .unwrap();
    let refused = acquire(&service, acquire_request("eve", Exclusive, &["src/a.rs"])).await;
    assert_eq!(refusal(refused), files_held());
    // A holder's own leases do not conflict with its requests, but here are two holders.
    assert_eq!(
        refusal(acquire(&service, acquire_request("ann", Exclusive, &["src/a.rs"])).await),
        files_held()
    );
    assert_eq!(release(&service, "bob", &[]).await, 1);
    let own = acquire(&service, acquire_request("ann", Exclusive, &["src/a.rs"]))
        .await
        .unwrap();
    assert_eq!(
        refusal(acquire(&service, acquire_request("bob", Shared, &["src/a.rs"])).await),
        files_held()
    );
    release(&service, "ann", &[&own]).await;
    acquire(&service, acquire_request("bob", Shared, &["src/a.rs"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lease_expires_and_is_lost() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let short = AcquireFilesRequest {
        ttl: span(1_000),
        ..acquire_request("ann", Exclusive, &["src"])
    };
    let ended = acquire(&service, short).await.unwrap();
    let waiting = AcquireFilesRequest {
        wait: span(10_000),
        ..acquire_request("bob", Exclusive, &["src/a.rs"])
    };
    let next = acquire(&service, waiting).await.unwrap();
    assert!(next.fencing_token > ended.fencing_token);
    assert!(nanos(next.acquired_at) >= nanos(ended.expires_at));
    assert_eq!(refusal(renew(&service, &ended, 60_000).await), lease_lost());
    assert_eq!(release(&service, "ann", &[&ended]).await, 0);
    assert_eq!(list(&service, ListFilesRequest::default()).await, [next]);
}

pub(crate) fn nanos(time: Option<prost_types::Timestamp>) -> i128 {
    let time = time.unwrap();
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

#[tokio::test]
async fn renewal_keeps_a_lease_beyond_its_first_time() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let short = AcquireFilesRequest {
        ttl: span(1_000),
        ..acquire_request("ann", Exclusive, &["src"])
    };
    let lease = acquire(&service, short).await.unwrap();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2_000) {
        let renewed = renew(&service, &lease, 1_000).await.unwrap();
        assert!(nanos(renewed.expires_at) >= nanos(lease.expires_at));
        let FileLease { expires_at, .. } = renewed;
        assert_eq!(
            renewed,
            FileLease {
                expires_at,
                ..lease.clone()
            }
        );
        assert_eq!(
            refusal(acquire(&service, acquire_request("bob", Shared, &["src/a.rs"])).await),
            files_held()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let thief = FileLease {
        holder: "bob".into(),
        ..lease
    };
    assert_eq!(refusal(renew(&service, &thief, 1_000).await), lease_lost());
}

#[tokio::test]
async fn the_same_request_twice_leases_once() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let request = acquire_request("ann", Exclusive, &["src"]);
    let lease = acquire(&service, request.clone()).await.unwrap();
    assert_eq!(acquire(&service, request.clone()).await.unwrap(), lease);
    assert_eq!(list(&service, ListFilesRequest::default()).await.len(), 1);
    let reused = AcquireFilesRequest {
        holder: "bob".into(),
        ..request.clone()
    };
    let refused = refusal(acquire(&service, reused).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));

    assert_eq!(release(&service, "ann", &[]).await, 1);
    acquire(&service, acquire_request("bob", Exclusive, &["src"]))
        .await
        .unwrap();
    // The lease was granted and released: the repetition gets the same response, and the lease stays bob's.
    assert_eq!(acquire(&service, request).await.unwrap(), lease);
    let holders: Vec<_> = list(&service, ListFilesRequest::default()).await;
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].holder, "bob");
}

#[tokio::test]
async fn a_release_ends_only_the_holders_own_leases() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let one = acquire(&service, acquire_request("ann", Exclusive, &["a"]))
        .await
        .unwrap();
    let two = acquire(&service, acquire_request("ann", Exclusive, &["b"]))
        .await
        .unwrap();
    let other = acquire(&service, acquire_request("bob", Exclusive, &["c"]))
        .await
        .unwrap();
    assert_eq!(release(&service, "ann", &[&one, &one, &other]).await, 1);
    assert_eq!(
        list(&service, ListFilesRequest::default()).await,
        [two.clone(), other.clone()]
    );
    let all = ReleaseFilesRequest {
        request_id: id(),
        holder: "ann".into(),
        ..Default::default()
    };
    for _ in 0..2 {
        let answer = service
            .locks
            .clone()
            .release_files(all.clone())
            .await
            .unwrap();
        assert_eq!(answer.into_inner().released, 1);
    }
    assert_eq!(refusal(renew(&service, &two, 60_000).await), lease_lost());
    assert_eq!(list(&service, ListFilesRequest::default()).await, [other]);
}

#[tokio::test]
async fn leases_are_listed_by_path_and_holder() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut leases = Vec::new();
    for (holder, patterns) in [
        ("ann", ["src/**"].as_slice()),
        ("bob", &["docs/*.md", "*.toml"]),
        ("ann", &["Cargo.lock"]),
    ] {
        leases.push(
            acquire(&service, acquire_request(holder, Exclusive, patterns))
                .await
                .unwrap(),
        );
    }
    let by = |paths: &[&str], holder: &str, except_holder: &str| ListFilesRequest {
        paths: paths.iter().map(|&path| path.into()).collect(),
        holder: holder.into(),
        except_holder: except_holder.into(),
        ..Default::default()
    };
    assert_eq!(list(&service, by(&[], "", "")).await, leases);
    assert_eq!(
        list(&service, by(&[], "ann", "")).await,
        [leases[0].clone(), leases[2].clone()]
    );
    assert_eq!(
        list(&service, by(&[], "", "ann")).await,
        [leases[1].clone()]
    );
    assert_eq!(
        list(&service, by(&["src/a.rs", "x"], "", "")).await,
        [leases[0].clone()]
    );
    assert_eq!(
        list(&service, by(&["src/a.rs", "Cargo.*"], "", "ann")).await,
        [leases[1].clone()]
    );
    assert_eq!(list(&service, by(&["nothing"], "", "")).await, []);
}

#[tokio::test]
async fn a_lease_on_all_files_of_a_kind_leaves_the_others_free() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let sources = acquire(&service, acquire_request("ann", Exclusive, &["**/*.rs"]))
        .await
        .unwrap();
    for (path, expected) in [
        ("README.md", false),
        ("src/a.rs", true),
        ("src/", true),
        ("assets.d", false),
        ("assets.d/", true),
        ("./", true),
    ] {
        let touching = ListFilesRequest {
            paths: vec![path.into()],
            ..Default::default()
        };
        let listed = list(&service, touching).await;
        assert_eq!(listed.contains(&sources), expected, "{path}");
    }
    acquire(
        &service,
        acquire_request("bob", Exclusive, &["README.md", "**/*.md"]),
    )
    .await
    .unwrap();
    let refused = acquire(&service, acquire_request("bob", Exclusive, &["src/a.rs/x"])).await;
    assert_eq!(refusal(refused), files_held());
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let wrong = AcquireFilesRequest {
        workspace: "no spaces".into(),
        holder: " ".into(),
        patterns: vec![
            "ok".into(),
            "../up".into(),
            "a[".into(),
            "x".repeat(513),
            "a\nb".into(),
            "a\0".into(),
        ],
        mode: 7,
        ttl: span(10),
        wait: span(60_000),
        ..Default::default()
    };
    let refused = acquire(&service, wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields: Vec<_> = service_error::decode(&refused).violations;
    for field in [
        "request_id",
        "workspace",
        "holder",
        "patterns[1]",
        "patterns[2]",
        "patterns[3]",
        "patterns[4]",
        "patterns[5]",
        "mode",
        "ttl",
        "wait",
    ] {
        assert!(
            fields.iter().any(|(name, _)| name == field),
            "{field} in {fields:?}"
        );
    }
    assert_eq!(fields.len(), 11, "{fields:?}");
    for patterns in [vec![], vec!["a".to_owned(); 101]] {
        let request = AcquireFilesRequest {
            patterns,
            ..acquire_request("ann", Exclusive, &[])
        };
        let refused = acquire(&service, request).await.unwrap_err();
        assert!(refused.message().contains("patterns"), "{refused}");
    }
    let request = ListFilesRequest {
        paths: vec!["/etc".into()],
        ..Default::default()
    };
    let refused = service.locks.clone().list_files(request).await.unwrap_err();
    assert!(refused.message().contains("paths[0]"), "{refused}");
}
