//! The same story on every kind of Redis.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::WatchStateRequest;
use shim_redis_harness::{Cluster, Launch as RedisLaunch, Nodes, Redis, Sentinels};
use shim_tests::coordination::{CoordinationClients, NAMESPACE, count, counted, put};
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Status};

use super::conformance;

/// How long the service may take to find the new master after the failover. It takes well under two seconds; only a service
/// that is stuck takes this long.
const RECONNECT_WITHIN: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

async fn run_on(launch: impl FnOnce(&TempEnv) -> Launch) {
    let temp = TempEnv::new();
    let service = launch(&temp).start_or_panic().await;
    conformance::run(&mut service.coordination()).await;
    assert!(service.is_healthy().await);
}

#[tokio::test]
async fn on_one_server_with_a_password() {
    let redis = RedisLaunch::new()
        .password("s3cret/with:all @ the #odd? ones%")
        .start();
    let url = redis.url();
    run_on(|temp| Launch::coordination(&temp.data_dir(), &url)).await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    let redis = Redis::start();
    run_on(|temp| Launch::coordination(&temp.data_dir(), &redis.unix_url())).await;
}

#[tokio::test]
async fn over_tls() {
    let redis = RedisLaunch::new().tls().start();
    let ca_file = redis.certificates().ca_file().display().to_string();
    run_on(|temp| {
        Launch::coordination(&temp.data_dir(), &redis.url()).env("SHIM_REDIS_CA_FILE", &ca_file)
    })
    .await;
}

#[tokio::test]
async fn over_tls_with_a_client_certificate() {
    let redis = RedisLaunch::new().mutual_tls().start();
    let files = redis.certificates();
    run_on(|temp| {
        Launch::coordination(&temp.data_dir(), &redis.url())
            .env("SHIM_REDIS_CA_FILE", &files.ca_file().display().to_string())
            .env(
                "SHIM_REDIS_CERT_FILE",
                &files.cert_file("client").display().to_string(),
            )
            .env(
                "SHIM_REDIS_KEY_FILE",
                &files.key_file("client").display().to_string(),
            )
    })
    .await;
}

#[tokio::test]
async fn on_a_cluster_of_three_masters() {
    let cluster = Cluster::start();
    run_on(|temp| Launch::coordination(&temp.data_dir(), &cluster.url())).await;
}

#[tokio::test]
async fn with_locks_over_three_nodes() {
    let (redis, mut nodes) = (Redis::start(), Nodes::start(3));
    nodes.node(1).kill();
    run_on(|temp| {
        Launch::coordination(&temp.data_dir(), &redis.url())
            .env("SHIM_COORDINATION_LOCK_NODES", &nodes.urls())
    })
    .await;
}

#[tokio::test]
async fn under_sentinels_with_a_failover_in_the_middle() {
    let temp = TempEnv::new();
    let mut sentinels = Sentinels::start();
    let service = Launch::coordination(&temp.data_dir(), &sentinels.url())
        .start_or_panic()
        .await;
    let mut clients = service.coordination();
    clients
        .put(put("before", counted(1), Some(0)))
        .await
        .unwrap();
    let master = sentinels.master();
    master
        .command(&["WAIT", "2", "5000"])
        .expect("the replicas follow");

    sentinels.failover();
    let over = Instant::now();
    while let Err(refusal) = write_and_watch(&mut clients).await {
        assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
        assert!(over.elapsed() < RECONNECT_WITHIN, "the new master is found");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let entry = clients.get(NAMESPACE, "before").await.unwrap();
    assert_eq!(count(&entry), Some(1), "what the replicas had is there");
    conformance::run(&mut clients).await;
}

/// Commands and subscriptions ride on connections of their own; both must find the new master.
async fn write_and_watch(clients: &mut CoordinationClients) -> Result<(), Status> {
    clients.put(put("after", counted(2), None)).await?;
    clients
        .state
        .watch_state(WatchStateRequest::default())
        .await?;
    Ok(())
}
