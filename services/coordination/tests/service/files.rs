//! Stories of leases on files.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::fault;
use tonic::{Code, Status};

use super::house::{House, id, refusal, span, within};

use FileLeaseMode::{Exclusive, Shared};

pub(crate) fn ask(holder: &str, mode: FileLeaseMode, patterns: &[&str]) -> AcquireFilesRequest {
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
    house: &House,
    request: AcquireFilesRequest,
) -> Result<FileLease, Status> {
    let answer = house.locks.clone().acquire_files(request).await?;
    Ok(answer.into_inner().lease.unwrap())
}

pub(crate) async fn renew(
    house: &House,
    lease: &FileLease,
    ttl_ms: u64,
) -> Result<FileLease, Status> {
    let request = RenewFilesRequest {
        lease_id: lease.lease_id.clone(),
        holder: lease.holder.clone(),
        ttl: span(ttl_ms),
        ..Default::default()
    };
    let answer = house.locks.clone().renew_files(request).await?;
    Ok(answer.into_inner().lease.unwrap())
}

pub(crate) async fn release(house: &House, holder: &str, leases: &[&FileLease]) -> u32 {
    let request = ReleaseFilesRequest {
        request_id: id(),
        holder: holder.into(),
        lease_ids: leases.iter().map(|lease| lease.lease_id.clone()).collect(),
        ..Default::default()
    };
    let answer = house.locks.clone().release_files(request).await;
    answer.unwrap().into_inner().released
}

pub(crate) async fn list(house: &House, request: ListFilesRequest) -> Vec<FileLease> {
    let answer = house.locks.clone().list_files(request).await;
    answer.unwrap().into_inner().leases
}

pub(crate) fn held() -> (Code, String) {
    (Code::Aborted, "FILES_HELD".into())
}

fn lost() -> (Code, String) {
    (Code::FailedPrecondition, "LEASE_LOST".into())
}

#[tokio::test]
async fn a_conflict_names_pattern_holder_purpose_and_end() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let lease = acquire(&house, ask("ann", Exclusive, &["docs", "src/**"]))
        .await
        .unwrap();
    assert_eq!(
        (lease.workspace.as_str(), lease.mode()),
        ("default", Exclusive)
    );
    assert_eq!(lease.patterns, ["docs", "src/**"]);
    let until = lease.expires_at.unwrap();
    assert_eq!(until.seconds - lease.acquired_at.unwrap().seconds, 600);

    let refused = acquire(&house, ask("bob", Exclusive, &["README.md", "src/a.rs"])).await;
    let refused = refused.unwrap_err();
    let words = format!("src/a.rs overlaps src/** held by ann (a refactoring) until {until}");
    assert!(refused.message().contains(&words), "{refused}");
    assert!(fault::explain(&refused).retry_after.is_some());
    assert_eq!(refusal::<()>(Err(refused)), held());
    // Nothing of a refused request is leased, and another workspace is another matter.
    acquire(&house, ask("eve", Exclusive, &["README.md"]))
        .await
        .unwrap();
    let elsewhere = AcquireFilesRequest {
        workspace: "other".into(),
        ..ask("bob", Exclusive, &["src/a.rs"])
    };
    acquire(&house, elsewhere).await.unwrap();
}

#[tokio::test]
async fn shared_leases_go_together_and_keep_exclusive_ones_out() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    acquire(&house, ask("ann", Shared, &["src"])).await.unwrap();
    acquire(&house, ask("bob", Shared, &["src/*.rs"]))
        .await
        .unwrap();
    let refused = acquire(&house, ask("eve", Exclusive, &["src/a.rs"])).await;
    assert_eq!(refusal(refused), held());
    // One's own leases are in nobody's way, but here are two holders.
    assert_eq!(
        refusal(acquire(&house, ask("ann", Exclusive, &["src/a.rs"])).await),
        held()
    );
    assert_eq!(release(&house, "bob", &[]).await, 1);
    let own = acquire(&house, ask("ann", Exclusive, &["src/a.rs"]))
        .await
        .unwrap();
    assert_eq!(
        refusal(acquire(&house, ask("bob", Shared, &["src/a.rs"])).await),
        held()
    );
    release(&house, "ann", &[&own]).await;
    acquire(&house, ask("bob", Shared, &["src/a.rs"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lease_ends_by_itself_and_is_lost() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let short = AcquireFilesRequest {
        ttl: span(1_000),
        ..ask("ann", Exclusive, &["src"])
    };
    let ended = acquire(&house, short).await.unwrap();
    let waiting = AcquireFilesRequest {
        wait: span(10_000),
        ..ask("bob", Exclusive, &["src/a.rs"])
    };
    let next = acquire(&house, waiting).await.unwrap();
    assert!(next.fencing_token > ended.fencing_token);
    assert!(nanos(next.acquired_at) >= nanos(ended.expires_at));
    assert_eq!(refusal(renew(&house, &ended, 60_000).await), lost());
    assert_eq!(release(&house, "ann", &[&ended]).await, 0);
    assert_eq!(list(&house, ListFilesRequest::default()).await, [next]);
}

pub(crate) fn nanos(time: Option<prost_types::Timestamp>) -> i128 {
    let time = time.unwrap();
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

#[tokio::test]
async fn renewal_keeps_a_lease_beyond_its_first_time() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let short = AcquireFilesRequest {
        ttl: span(1_000),
        ..ask("ann", Exclusive, &["src"])
    };
    let lease = acquire(&house, short).await.unwrap();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2_000) {
        let renewed = renew(&house, &lease, 1_000).await.unwrap();
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
            refusal(acquire(&house, ask("bob", Shared, &["src/a.rs"])).await),
            held()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let thief = FileLease {
        holder: "bob".into(),
        ..lease
    };
    assert_eq!(refusal(renew(&house, &thief, 1_000).await), lost());
}

#[tokio::test]
async fn the_same_request_twice_leases_once() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let request = ask("ann", Exclusive, &["src"]);
    let lease = acquire(&house, request.clone()).await.unwrap();
    assert_eq!(acquire(&house, request.clone()).await.unwrap(), lease);
    assert_eq!(list(&house, ListFilesRequest::default()).await.len(), 1);
    let reused = AcquireFilesRequest {
        holder: "bob".into(),
        ..request.clone()
    };
    let refused = refusal(acquire(&house, reused).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));

    assert_eq!(release(&house, "ann", &[]).await, 1);
    acquire(&house, ask("bob", Exclusive, &["src"]))
        .await
        .unwrap();
    // It was leased and given back: the answer is the same, and the lease is bob's.
    assert_eq!(acquire(&house, request).await.unwrap(), lease);
    let holders: Vec<_> = list(&house, ListFilesRequest::default()).await;
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].holder, "bob");
}

#[tokio::test]
async fn a_release_gives_back_what_is_the_holders_own() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let one = acquire(&house, ask("ann", Exclusive, &["a"]))
        .await
        .unwrap();
    let two = acquire(&house, ask("ann", Exclusive, &["b"]))
        .await
        .unwrap();
    let other = acquire(&house, ask("bob", Exclusive, &["c"]))
        .await
        .unwrap();
    assert_eq!(release(&house, "ann", &[&one, &one, &other]).await, 1);
    assert_eq!(
        list(&house, ListFilesRequest::default()).await,
        [two.clone(), other.clone()]
    );
    let all = ReleaseFilesRequest {
        request_id: id(),
        holder: "ann".into(),
        ..Default::default()
    };
    for _ in 0..2 {
        let answer = house
            .locks
            .clone()
            .release_files(all.clone())
            .await
            .unwrap();
        assert_eq!(answer.into_inner().released, 1);
    }
    assert_eq!(refusal(renew(&house, &two, 60_000).await), lost());
    assert_eq!(list(&house, ListFilesRequest::default()).await, [other]);
}

#[tokio::test]
async fn leases_are_listed_by_path_and_holder() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let mut leases = Vec::new();
    for (holder, patterns) in [
        ("ann", ["src/**"].as_slice()),
        ("bob", &["docs/*.md", "*.toml"]),
        ("ann", &["Cargo.lock"]),
    ] {
        leases.push(
            acquire(&house, ask(holder, Exclusive, patterns))
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
    assert_eq!(list(&house, by(&[], "", "")).await, leases);
    assert_eq!(
        list(&house, by(&[], "ann", "")).await,
        [leases[0].clone(), leases[2].clone()]
    );
    assert_eq!(list(&house, by(&[], "", "ann")).await, [leases[1].clone()]);
    assert_eq!(
        list(&house, by(&["src/a.rs", "x"], "", "")).await,
        [leases[0].clone()]
    );
    assert_eq!(
        list(&house, by(&["src/a.rs", "Cargo.*"], "", "ann")).await,
        [leases[1].clone()]
    );
    assert_eq!(list(&house, by(&["nothing"], "", "")).await, []);
}

#[tokio::test]
async fn a_lease_on_all_files_of_a_kind_leaves_the_others_free() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let sources = acquire(&house, ask("ann", Exclusive, &["**/*.rs"]))
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
        let listed = list(&house, touching).await;
        assert_eq!(listed.contains(&sources), expected, "{path}");
    }
    acquire(&house, ask("bob", Exclusive, &["README.md", "**/*.md"]))
        .await
        .unwrap();
    let refused = acquire(&house, ask("bob", Exclusive, &["src/a.rs/x"])).await;
    assert_eq!(refusal(refused), held());
}

#[tokio::test]
async fn a_waiter_gets_the_files_soon_after_their_release() {
    let redis = Redis::start();
    let (house, other) = (House::on(&redis).await, House::on(&redis).await);
    let mut waits = Vec::new();
    for _ in 0..10 {
        let lease = acquire(&house, ask("ann", Exclusive, &["src"]))
            .await
            .unwrap();
        let waiting = AcquireFilesRequest {
            wait: span(10_000),
            ..ask("bob", Exclusive, &["src/a.rs"])
        };
        let mut locks = other.locks.clone();
        let waiter = tokio::spawn(async move {
            locks.acquire_files(waiting).await.unwrap();
            Instant::now()
        });
        // Long enough for the waiter to look once and then wait.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let released = Instant::now();
        assert_eq!(release(&house, "ann", &[&lease]).await, 1);
        waits.push(within(waiter).await.unwrap().duration_since(released));
        release(&house, "bob", &[]).await;
    }
    waits.sort();
    assert!(waits[8] < Duration::from_millis(100), "{waits:?}");
}

#[tokio::test]
async fn a_wait_ends_with_its_deadline() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    acquire(&house, ask("ann", Exclusive, &["src"]))
        .await
        .unwrap();
    let waiting = AcquireFilesRequest {
        wait: span(300),
        ..ask("bob", Exclusive, &["src"])
    };
    let since = Instant::now();
    assert_eq!(refusal(acquire(&house, waiting).await), held());
    assert!(
        (300..1_500).contains(&since.elapsed().as_millis()),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn files_are_leased_only_under_a_lock_that_is_held() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let lock = AcquireLockRequest {
        request_id: id(),
        name: "plan".into(),
        owner: "ann".into(),
        ..Default::default()
    };
    let lock = house.locks.clone().acquire_lock(lock).await.unwrap();
    let lock = lock.into_inner().lock.unwrap();
    let under = |token: u64, pattern: &str| AcquireFilesRequest {
        fence: Some(Fence {
            lock: "plan".into(),
            token,
        }),
        ..ask("ann", Exclusive, &[pattern])
    };
    acquire(&house, under(lock.fencing_token, "a"))
        .await
        .unwrap();
    let stale = (Code::FailedPrecondition, "STALE_FENCE".into());
    let refused = acquire(&house, under(lock.fencing_token + 1, "b")).await;
    assert_eq!(refusal(refused), stale);

    let release_lock = ReleaseLockRequest {
        request_id: id(),
        name: "plan".into(),
        owner: "ann".into(),
        fencing_token: lock.fencing_token,
        ..Default::default()
    };
    house
        .locks
        .clone()
        .release_lock(release_lock)
        .await
        .unwrap();
    // It does not wait for files it may not have.
    acquire(&house, ask("bob", Exclusive, &["c"]))
        .await
        .unwrap();
    let waiting = AcquireFilesRequest {
        wait: span(20_000),
        ..under(lock.fencing_token, "c")
    };
    let since = Instant::now();
    assert_eq!(refusal(acquire(&house, waiting).await), stale);
    assert!(since.elapsed() < Duration::from_secs(10));
    let holders = list(&house, ListFilesRequest::default()).await;
    assert_eq!(holders.len(), 2, "{holders:?}");
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
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
    let refused = acquire(&house, wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields: Vec<_> = fault::explain(&refused).violations;
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
            ..ask("ann", Exclusive, &[])
        };
        let refused = acquire(&house, request).await.unwrap_err();
        assert!(refused.message().contains("patterns"), "{refused}");
    }
    let request = ListFilesRequest {
        paths: vec!["/etc".into()],
        ..Default::default()
    };
    let refused = house.locks.clone().list_files(request).await.unwrap_err();
    assert!(refused.message().contains("paths[0]"), "{refused}");
}
