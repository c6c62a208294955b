//! Stories of the tables of file leases: their bounds, their keys, and races.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::{Cluster, Launch, Redis};
use tonic::Code;

use super::files::{acquire, acquire_request, files_held, list, nanos, release, renew};
use super::test_service::{TestService, id, refusal, span, within};

use FileLeaseMode::{Exclusive, Shared};

#[tokio::test]
async fn a_full_table_refuses_more_leases() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut leases = tokio::task::JoinSet::new();
    for i in 0..1_000 {
        let mut locks = service.locks.clone();
        let request = acquire_request("ann", Exclusive, &[&format!("src/{i}.rs")]);
        // On a busy machine the read of a large table may time out; the same request is then repeated.
        leases.spawn(async move {
            loop {
                match locks.acquire_files(request.clone()).await {
                    Err(status) if status.code() == Code::Unavailable => {}
                    outcome => return outcome,
                }
            }
        });
        if leases.len() >= 8 {
            leases.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(lease) = leases.join_next().await {
        lease.unwrap().unwrap();
    }
    let full = (Code::ResourceExhausted, "TOO_MANY_LEASES".into());
    assert_eq!(
        refusal(acquire(&service, acquire_request("ann", Exclusive, &["more"])).await),
        full
    );
    let all = list(&service, ListFilesRequest::default()).await;
    assert_eq!(all.len(), 1_000);
    assert!(all.is_sorted_by_key(|lease| lease.fencing_token));
    assert_eq!(release(&service, "ann", &[&all[0]]).await, 1);
    acquire(&service, acquire_request("bob", Exclusive, &["more"]))
        .await
        .unwrap();
    assert_eq!(release(&service, "ann", &[]).await, 999);
}

#[tokio::test]
async fn large_patterns_fill_a_table_as_well() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let wide: Vec<_> = (0..100)
        .map(|i| format!("{i}/{}", "x".repeat(500)))
        .collect();
    let wide: Vec<_> = wide.iter().map(String::as_str).collect();
    let mut granted = 0;
    let refused = loop {
        match acquire(&service, acquire_request("ann", Exclusive, &wide)).await {
            Ok(_) => granted += 1,
            Err(refused) => break refused,
        }
    };
    assert!((10..=21).contains(&granted), "{granted}");
    let full = (Code::ResourceExhausted, "TOO_MANY_LEASES".into());
    assert_eq!(refusal::<()>(Err(refused)), full);
    // A full table does not keep another holder's request from being decided.
    let refused = acquire(&service, acquire_request("bob", Exclusive, &[wide[99]])).await;
    assert_eq!(refusal(refused), files_held());
}

#[tokio::test]
async fn a_table_is_deleted_with_its_last_lease() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let short = AcquireFilesRequest {
        ttl: span(1_000),
        ..acquire_request("ann", Exclusive, &["src"])
    };
    acquire(&service, short).await.unwrap();
    let keys = ["files", "files-deadlines", "files-newest", "files-grants"];
    let exist = || {
        let name = |key: &&str| format!("shim:{{ns:default}}:{key}");
        let names: Vec<_> = keys.iter().map(name).collect();
        let mut command = vec!["EXISTS"];
        command.extend(names.iter().map(String::as_str));
        redis.command(&command).unwrap().integer().unwrap()
    };
    assert_eq!(exist(), 4);
    within(async {
        while exist() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    acquire(&service, acquire_request("bob", Exclusive, &["src"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_redis_grants_no_lease_and_ends_none() {
    let redis = Launch::new().max_memory("4mb").start();
    let service = TestService::start(&redis).await;
    let lease = acquire(&service, acquire_request("ann", Exclusive, &["src"]))
        .await
        .unwrap();
    let filler = "x".repeat(100_000);
    let mut fillers = 0;
    while redis
        .command(&["SET", &format!("filler {fillers}"), &filler])
        .is_ok()
    {
        fillers += 1;
    }
    let full = (Code::ResourceExhausted, "STORE_FULL".into());
    let refused = within(async {
        loop {
            match acquire(&service, acquire_request("bob", Exclusive, &["docs"])).await {
                Ok(granted) => release(&service, "bob", &[&granted]).await,
                Err(refused) => break refused,
            };
            let _ = redis.command(&["APPEND", "filler 0", "x"]);
        }
    })
    .await;
    assert_eq!(refusal::<()>(Err(refused)), full);
    let renewed = renew(&service, &lease, 3_600_000).await.unwrap();
    assert!(nanos(renewed.expires_at) > nanos(lease.expires_at));
    assert_eq!(release(&service, "ann", &[&lease]).await, 1);
}

#[tokio::test]
async fn leases_outlive_a_killed_redis_and_waiters_fail_at_once() {
    let mut redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lease = acquire(&service, acquire_request("ann", Exclusive, &["src"]))
        .await
        .unwrap();
    let mut locks = service.locks.clone();
    let waiting = AcquireFilesRequest {
        wait: span(25_000),
        ..acquire_request("bob", Exclusive, &["src"])
    };
    let waiter = tokio::spawn(async move { locks.acquire_files(waiting).await });
    // The call waits as soon as its subscription exists.
    let listening = || {
        let channel = "shim:bus:files:released";
        let count = redis.command(&["PUBSUB", "NUMSUB", channel]).unwrap();
        format!("{count:?}").contains("Integer(1)")
    };
    within(async {
        while !listening() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    redis.kill();
    let killed = Instant::now();
    let refused = within(waiter).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(
        killed.elapsed() < Duration::from_secs(2),
        "{:?}",
        killed.elapsed()
    );
    redis.restart();
    let kept = within(async {
        loop {
            if let Ok(kept) = renew(&service, &lease, 60_000).await {
                break kept;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(kept.fencing_token, lease.fencing_token);
    let refused = acquire(&service, acquire_request("bob", Exclusive, &["src/a.rs"])).await;
    assert_eq!(refusal(refused), files_held());
}

#[tokio::test]
async fn leases_live_in_one_slot_of_a_cluster() {
    let cluster = Cluster::start();
    let service = TestService::start_with(&cluster.url(), &[]).await;
    for workspace in ["one", "two", "three", "four", "five", "six"] {
        let request = AcquireFilesRequest {
            workspace: workspace.into(),
            ..acquire_request("ann", Exclusive, &["src"])
        };
        let lease = acquire(&service, request.clone()).await.unwrap();
        let other = AcquireFilesRequest {
            request_id: id(),
            holder: "bob".into(),
            ..request
        };
        assert_eq!(refusal(acquire(&service, other).await), files_held());
        let renewal = RenewFilesRequest {
            workspace: workspace.into(),
            lease_id: lease.lease_id,
            holder: "ann".into(),
            ..Default::default()
        };
        service.locks.clone().renew_files(renewal).await.unwrap();
        let all = ReleaseFilesRequest {
            request_id: id(),
            workspace: workspace.into(),
            holder: "ann".into(),
            ..Default::default()
        };
        let answer = service.locks.clone().release_files(all).await.unwrap();
        assert_eq!(answer.into_inner().released, 1);
    }
}

/// The holders of all files as the racers see them, independent of the service.
#[derive(Default)]
struct Register(Mutex<HashMap<&'static str, Vec<(usize, FileLeaseMode)>>>);

impl Register {
    fn enter(&self, racer: usize, mode: FileLeaseMode, files: &[&'static str]) {
        let mut register = self.0.lock().unwrap();
        for file in files {
            let inside = register.entry(file).or_default();
            let alone = inside.is_empty();
            let all_shared = mode == Shared && inside.iter().all(|(_, mode)| *mode == Shared);
            assert!(
                alone || all_shared,
                "{file}: {racer} as {mode:?} beside {inside:?}"
            );
            inside.push((racer, mode));
        }
    }

    fn leave(&self, racer: usize, files: &[&'static str]) {
        let mut register = self.0.lock().unwrap();
        for file in files {
            register
                .get_mut(file)
                .unwrap()
                .retain(|(inside, _)| *inside != racer);
        }
    }
}

/// Globs, each with the files that it covers among a.rs, b.rs, b.txt and deep/c.rs in src.
const CHOICES: [(&str, &[&str]); 6] = [
    ("src/**", &["a.rs", "b.rs", "b.txt", "c.rs"]),
    ("src/*.rs", &["a.rs", "b.rs"]),
    ("src/a.rs", &["a.rs"]),
    ("src/{b.*,deep}", &["b.rs", "b.txt", "c.rs"]),
    ("**/[c-z].rs", &["c.rs"]),
    ("src/?.txt", &["b.txt"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_holders_never_have_the_same_files() {
    let redis = Redis::start();
    let services = [
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    ];
    let register = Arc::new(Register::default());
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..16 {
        let mut locks = services[racer % 2].locks.clone();
        let register = register.clone();
        racers.spawn(async move {
            for round in 0..100 {
                let (glob, files) = CHOICES[(racer * 7 + round * 5) % CHOICES.len()];
                let mode = if (racer + round) % 3 == 0 {
                    Shared
                } else {
                    Exclusive
                };
                let holder = format!("racer {racer}");
                let request = AcquireFilesRequest {
                    wait: span(25_000),
                    ttl: span(60_000),
                    ..acquire_request(&holder, mode, &[glob])
                };
                let lease = locks.acquire_files(request).await.unwrap();
                let lease = lease.into_inner().lease.unwrap();
                register.enter(racer, mode, files);
                tokio::task::yield_now().await;
                register.leave(racer, files);
                let request = ReleaseFilesRequest {
                    request_id: id(),
                    holder,
                    lease_ids: vec![lease.lease_id],
                    ..Default::default()
                };
                let released = locks.release_files(request).await.unwrap();
                assert_eq!(released.into_inner().released, 1);
            }
        });
    }
    while let Some(racer) = racers.join_next().await {
        racer.unwrap();
    }
    assert_eq!(list(&services[0], ListFilesRequest::default()).await, []);
}
