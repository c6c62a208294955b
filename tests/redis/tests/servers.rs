//! Tests of the harness with real servers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::TcpStream;
use std::process::Command;

use shim_redis_harness::{Cluster, Launch, Nodes, Redis, Reply, Sentinels};

fn text(value: &str) -> Reply {
    Reply::Text(value.to_owned())
}

#[test]
fn writes_survive_a_kill_and_a_restart() {
    let mut redis = Redis::start();
    let url = redis.url();
    redis.command(&["SET", "key", "value"]).unwrap();
    redis.kill();
    assert!(TcpStream::connect(redis.address()).is_err());
    redis.restart();
    assert_eq!(redis.url(), url);
    assert_eq!(redis.command(&["GET", "key"]), Ok(text("value")));
    assert!(TcpStream::connect(redis.address()).is_ok());
}

#[test]
fn a_dropped_redis_leaves_nothing_behind() {
    let redis = Redis::start();
    let (folder, address) = (redis.folder().to_path_buf(), redis.address());
    drop(redis);
    assert!(!folder.exists());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_frozen_redis_answers_when_it_is_thawed() {
    let redis = Redis::start();
    redis.freeze();
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", redis.pid())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    while state() != 'T' {
        std::thread::yield_now();
    }
    redis.thaw();
    assert_eq!(redis.command(&["PING"]), Ok(text("PONG")));
}

#[test]
fn a_full_redis_refuses_writes_and_evicts_nothing() {
    let redis = Launch::new().max_memory("3mb").start();
    let large = "x".repeat(100_000);
    let refusal = (0..100).find_map(|n| redis.command(&["SET", &format!("{n}"), &large]).err());
    assert!(refusal.unwrap().starts_with("OOM"));
    assert_eq!(redis.command(&["GET", "0"]), Ok(text(&large)));
}

#[test]
fn a_password_is_required() {
    let redis = Launch::new().password("secret").start();
    assert_eq!(redis.command(&["PING"]), Ok(text("PONG")));
    assert!(redis.url().starts_with("redis://:secret@127.0.0.1:"));
    let port = redis.port().to_string();
    let output = Command::new("redis-cli")
        .args(["-p", &port, "GET", "a"])
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(said.starts_with("NOAUTH"), "{said}");
}

/// `redis-cli PING` over TLS, with or without the client's certificate.
fn ping_with_tls(redis: &Redis, with_certificate: bool) -> String {
    let files = redis.certificates();
    let mut command = Command::new("redis-cli");
    command.args(["-p", &redis.port().to_string(), "--tls", "--cacert"]);
    command.arg(files.ca_file());
    if with_certificate {
        command.arg("--cert").arg(files.cert_file("client"));
        command.arg("--key").arg(files.key_file("client"));
    }
    let output = command.arg("PING").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tls_works_and_a_client_certificate_is_required() {
    let redis = Launch::new().tls().start();
    assert!(redis.url().starts_with("rediss://127.0.0.1:"));
    assert_eq!(ping_with_tls(&redis, false), "PONG\n");
    let redis = Launch::new().mutual_tls().start();
    assert_eq!(ping_with_tls(&redis, true), "PONG\n");
    assert_ne!(ping_with_tls(&redis, false), "PONG\n");
}

#[test]
fn a_cluster_serves_every_slot_also_after_a_restart() {
    let mut cluster = Cluster::start();
    assert_eq!(cluster.url().matches(',').count(), 2);
    let outcomes: Vec<_> = cluster
        .nodes()
        .iter()
        .map(|node| node.command(&["SET", "a", "b"]))
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .flat_map(|outcome| outcome.as_ref().err())
            .all(|e| e.starts_with("MOVED"))
    );
    cluster.node(1).restart();
    cluster.wait_until_ok();
}

#[test]
fn sentinels_promote_a_replica_after_the_master_was_killed() {
    let mut set = Sentinels::start();
    let before = set.master().port();
    set.master().command(&["SET", "key", "value"]).unwrap();
    assert_eq!(
        set.master().command(&["WAIT", "2", "5000"]),
        Ok(Reply::Integer(2))
    );
    set.failover();
    assert_ne!(set.master().port(), before);
    assert_eq!(set.master().command(&["GET", "key"]), Ok(text("value")));
}

#[test]
fn nodes_are_independent() {
    let mut nodes = Nodes::start(3);
    nodes.all()[0].command(&["SET", "key", "value"]).unwrap();
    assert_eq!(nodes.all()[1].command(&["GET", "key"]), Ok(Reply::Nil));
    assert_eq!(nodes.urls().split(',').count(), 3);
    nodes.node(2).kill();
    assert_eq!(nodes.all()[0].command(&["PING"]), Ok(text("PONG")));
}
