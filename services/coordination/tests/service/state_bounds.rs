//! Stories of the bounds of state: the number of fields, expiry, and the masters of a Cluster.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::{Cluster, Redis};
use tonic::Code;

use super::state::{get, put};
use super::test_service::{TestService, id, object, refusal, span, within};

#[tokio::test]
async fn patches_cannot_give_an_entry_more_fields_than_it_may_have() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let names: Vec<_> = (0..1_000).map(|n| format!("f{n}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    service.state.put_state(put("k", &fields)).await.unwrap();
    let patch = |set: &[(&str, &str)], remove: &[&str]| PatchStateRequest {
        request_id: id(),
        key: "k".into(),
        set: Some(object(set)),
        remove: remove.iter().map(|&name| name.into()).collect(),
        ..Default::default()
    };
    let one_more = patch(&[("g", "")], &[]);
    let refused = service.state.patch_state(one_more).await.unwrap_err();
    assert!(
        refused.message().contains("1001 fields, at most 1000"),
        "{refused}"
    );
    assert_eq!(
        refusal::<()>(Err(refused)),
        (Code::InvalidArgument, "STATE_TOO_LARGE".into())
    );
    for allowed in [patch(&[("f7", "new")], &[]), patch(&[("g", "")], &["f8"])] {
        service.state.patch_state(allowed).await.unwrap();
    }
    let value = get(&mut service, "k").await.value.unwrap();
    assert_eq!(value.fields.len(), 1_000);
}

#[tokio::test]
async fn an_entry_is_read_however_many_fields_it_has() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let names: Vec<_> = (0..9_000).map(|n| format!(":f{n}")).collect();
    let key = "shim:{ns:default}:state:wide";
    let mut words = vec!["HSET", key, "v", "1", "w", "me", "u", "1"];
    for name in &names {
        words.extend([name.as_str(), ""]);
    }
    redis.command(&words).unwrap();
    redis.command(&["EXPIRE", key, "100"]).unwrap();
    let value = get(&mut service, "wide").await.value.unwrap();
    assert_eq!(value.fields.len(), 9_000);
}

#[tokio::test]
async fn a_write_moves_expired_entries_from_the_lists_into_the_history() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    for n in 0..40 {
        let request = PutStateRequest {
            ttl: span(1_000),
            ..put(&format!("short/{n}"), &[])
        };
        service.state.put_state(request).await.unwrap();
    }
    let count = |words: &[&str]| redis.command(words).unwrap().integer().unwrap();
    let last = ["EXISTS", "shim:{ns:default}:state:short/39"];
    within(async {
        while count(&last) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    // The last entry may have expired in this very millisecond.
    tokio::time::sleep(Duration::from_millis(2)).await;
    for n in 0..10 {
        let key = format!("long/{n}");
        service.state.put_state(put(&key, &[])).await.unwrap();
    }
    let (names, deadlines) = (
        count(&["ZCARD", "shim:{ns:default}:state-names"]),
        count(&["ZCARD", "shim:{ns:default}:state-deadlines"]),
    );
    assert_eq!((names, deadlines), (10, 10));
    let change_count = count(&["XLEN", "shim:{ns:default}:state-changes"]);
    assert_eq!(change_count, 40 + 10 + 40);
}

#[tokio::test]
async fn a_silent_master_of_a_cluster_blocks_only_its_own_namespaces() {
    let cluster = Cluster::start();
    let node = &cluster.nodes()[2];
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])
            .unwrap();
    }
    let service = TestService::start_with(&cluster.url(), &[]).await;
    let is_on_node = |namespace: &str| {
        let key = format!("shim:{{ns:{namespace}}}:clock");
        let slot = node.command(&["CLUSTER", "KEYSLOT", &key]).unwrap();
        slot.integer().unwrap() > 10_922
    };
    let names: Vec<_> = (0..64).map(|n| format!("n{n}")).collect();
    let (silent, reachable) = names.iter().partition::<Vec<_>, _>(|name| is_on_node(name));
    let request = |namespace: &str| PutStateRequest {
        namespace: namespace.to_owned(),
        ..put("k", &[])
    };
    for namespace in [silent[0], reachable[0]] {
        let mut state = service.state.clone();
        state.put_state(request(namespace)).await.unwrap();
    }
    node.freeze();
    let (begin, mut n) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(4) {
        let (mut to_silent, mut to_reachable) = (service.state.clone(), service.state.clone());
        let (refused, written) = tokio::join!(
            to_silent.put_state(request(silent[0])),
            to_reachable.put_state(request(reachable[n % reachable.len()]))
        );
        assert_eq!(
            refusal(refused),
            (Code::Unavailable, "STORE_UNAVAILABLE".into())
        );
        written.unwrap_or_else(|why| panic!("write {n} after {:?}: {why}", begin.elapsed()));
        n += 1;
    }
    node.thaw();
    within(async {
        while service
            .state
            .clone()
            .put_state(request(silent[0]))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_bookkeeping_of_a_namespace_outlives_its_entries_and_ends() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    const LISTS: [&str; 4] = [
        "state-names",
        "state-deadlines",
        "state-changes",
        "state-sizes",
    ];
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let write = |key: &'static str| {
        let mut state = service.state.clone();
        async move { state.put_state(put(key, &[("a", "b")])).await.unwrap() }
    };
    let key = |name: &str| format!("shim:{{ns:default}}:{name}");
    let days_left = |name: &str| {
        let left = redis.command(&["PTTL", &key(name)]).unwrap();
        left.integer().unwrap() / DAY_MS
    };
    let assert_kept = || {
        for name in LISTS {
            assert!((31..=62).contains(&days_left(name)), "{name}");
        }
    };
    write("one").await;
    assert_kept();
    // Half a month later.
    for name in LISTS {
        let left = (46 * DAY_MS).to_string();
        redis.command(&["PEXPIRE", &key(name), &left]).unwrap();
    }
    write("one").await;
    assert_eq!(days_left("state-names"), 45, "nobody moved the ends");
    let sizes = key("state-sizes");
    let then = redis.command(&["HGET", &sizes, "kept_at"]).unwrap();
    let then = then.text().unwrap().parse::<i64>().unwrap() - 16 * DAY_MS;
    redis
        .command(&["HSET", &sizes, "kept_at", &then.to_string()])
        .unwrap();
    write("one").await;
    for name in LISTS {
        assert!(days_left(name) >= 61, "{name}");
    }
    // What is made anew gets its end with the first entry; so do lists of an older version, which noted no time.
    for name in ["state-names", "state-deadlines", "state-changes"] {
        redis.command(&["DEL", &key(name)]).unwrap();
    }
    write("two").await;
    assert_kept();
    redis.command(&["HDEL", &sizes, "kept_at"]).unwrap();
    for name in LISTS {
        let left = DAY_MS.to_string();
        redis.command(&["PEXPIRE", &key(name), &left]).unwrap();
    }
    write("two").await;
    assert_kept();
}
