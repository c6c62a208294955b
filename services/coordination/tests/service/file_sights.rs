//! Stories of what a process has in sight of a table of file leases: others change it, and no decision is the worse for it.

use std::time::Duration;

use prost::Message;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::files::{Budget, Pattern};

use super::files::{acquire, acquire_request, files_held, list, release};
use super::test_service::{TestService, id, refusal, span, within};

use FileLeaseMode::Exclusive;

fn key(name: &str) -> String {
    format!("shim:{{ns:default}}:{name}")
}

fn text(redis: &Redis, command: &[&str]) -> Option<String> {
    redis.command(command).unwrap().text().map(str::to_owned)
}

/// Grants a lease as versions of SHIM did that remembered no grants.
fn grant_as_before(redis: &Redis, holder: &str, pattern: &str) -> FileLease {
    let newest = text(redis, &["GET", &key("clock")]);
    let token = newest.map_or(1, |newest| newest.parse::<u64>().unwrap() + 1);
    let (lease_id, token_text) = (id(), token.to_string());
    let stored = FileLease {
        patterns: vec![pattern.to_owned()],
        mode: Exclusive.into(),
        ..FileLease::default()
    };
    let stored = String::from_utf8(stored.encode_to_vec()).unwrap();
    let stored = format!("{token} 0 {holder}\0{stored}");
    for command in [
        &["SET", &key("clock"), &token_text][..],
        &["HSET", &key("files"), &lease_id, &stored],
        &["ZADD", &key("files-deadlines"), "99999999999999", &lease_id],
        &["SET", &key("files-newest"), &token_text],
    ] {
        redis.command(command).unwrap();
    }
    FileLease {
        lease_id,
        holder: holder.to_owned(),
        patterns: vec![pattern.to_owned()],
        fencing_token: token,
        ..FileLease::default()
    }
}

#[tokio::test]
async fn a_lease_that_ended_elsewhere_or_by_itself_is_in_nobodys_way() {
    let redis = Redis::start();
    let (one, two) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let ann = acquire(&one, acquire_request("ann", Exclusive, &["src"])).await;
    let refused = acquire(&two, acquire_request("bob", Exclusive, &["src/a.rs"])).await;
    assert_eq!(refusal(refused), files_held());
    assert_eq!(release(&one, "ann", &[&ann.unwrap()]).await, 1);
    let short = AcquireFilesRequest {
        ttl: span(1_000),
        ..acquire_request("bob", Exclusive, &["src/a.rs"])
    };
    acquire(&two, short).await.unwrap();
    let eve = acquire_request("eve", Exclusive, &["src"]);
    assert_eq!(refusal(acquire(&one, eve).await), files_held());
    within(async {
        while acquire(&one, acquire_request("eve", Exclusive, &["src"]))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_table_that_redis_lost_is_out_of_sight_too() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    acquire(&service, acquire_request("ann", Exclusive, &["src"]))
        .await
        .unwrap();
    redis.command(&["FLUSHALL"]).unwrap();
    let bob = acquire(&service, acquire_request("bob", Exclusive, &["src"]));
    let bob = bob.await.unwrap();
    let all = list(&service, ListFilesRequest::default()).await;
    assert_eq!(all, [bob]);
}

#[tokio::test]
async fn releases_of_another_process_do_not_fill_a_table() {
    let redis = Redis::start();
    let (one, two) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    for i in 0..2_100 {
        let request = acquire_request("ann", Exclusive, &[&format!("src/{i}.rs")]);
        let lease = acquire(&one, request).await.unwrap();
        assert_eq!(release(&two, "ann", &[&lease]).await, 1);
    }
}

/// Two services, and one of an older version, grant and release in turns; a model says what must be in the way.
#[tokio::test]
async fn every_decision_is_made_with_all_earlier_leases_in_sight() {
    const NAMES: [&str; 9] = [
        "a", "b", "a.rs", "b.rs", "*", "**", "*.rs", "{a,b}", "[ab].rs",
    ];
    let seed: u64 =
        std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let redis = Redis::start();
    let services = [
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    ];
    let mut held: Vec<FileLease> = Vec::new();
    let (mut granted, mut refused) = (0, 0);
    for _ in 0..1_500 {
        let service = services.choose(&mut rng).unwrap();
        if held.len() > 12 || (!held.is_empty() && rng.random_bool(0.25)) {
            let lease = held.swap_remove(rng.random_range(0..held.len()));
            assert_eq!(release(service, &lease.holder, &[&lease]).await, 1);
            continue;
        }
        let names: Vec<_> = (0..rng.random_range(1..4))
            .map(|_| *NAMES.choose(&mut rng).unwrap())
            .collect();
        let pattern = names.join("/");
        let holder = ["ann", "bob", "eve"].choose(&mut rng).unwrap();
        let wanted = Pattern::parse(&pattern).unwrap();
        let overlaps = |other: &FileLease| {
            let other = Pattern::parse(&other.patterns[0]).unwrap();
            other.overlaps(&wanted, &mut Budget::per_decision())
        };
        let is_held = held
            .iter()
            .any(|lease| lease.holder != *holder && overlaps(lease));
        if !is_held && rng.random_bool(0.2) {
            held.push(grant_as_before(&redis, holder, &pattern));
            continue;
        }
        let answer = acquire(service, acquire_request(holder, Exclusive, &[&pattern])).await;
        assert_eq!(
            answer.is_err(),
            is_held,
            "{pattern} of {holder}: {answer:?}"
        );
        match answer {
            Ok(lease) => {
                held.push(lease);
                granted += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(granted > 100 && refused > 100, "{granted} {refused}");
}
