//! Sentinels with users and passwords of their own.

use std::process::Command;
use std::time::Duration;

use shim_redis_harness::{Sentinels, SetPasswords};
use shim_tests::binary;
use shim_tests::coordination::NAMESPACE;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::conformance;

const PASSWORDS: SetPasswords = SetPasswords {
    nodes: "of-the-nodes",
    sentinels: "of-the-sentinels",
    user: ("shim", "of-the-user"),
};

const WRONG: &str = "wr0ng-passw0rd";
const POLL_INTERVAL: Duration = Duration::from_millis(20);

fn start_set() -> Sentinels {
    tokio::task::block_in_place(|| Sentinels::start_with(Some(PASSWORDS)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_shows_sentinels_their_password_and_nodes_theirs() {
    let mut set = start_set();
    let (user, password) = PASSWORDS.user;
    let temp = TempEnv::new();
    // By the password of the default user, and as a user who may only ask for the master.
    let default = Launch::coordination(&temp.data_dir(), &set.url())
        .env("SHIM_REDIS_SENTINEL_PASSWORD", PASSWORDS.sentinels)
        .named("default");
    let of_user = Launch::coordination(&temp.data_dir(), &set.url())
        .env("SHIM_REDIS_SENTINEL_USERNAME", user)
        .env("SHIM_REDIS_SENTINEL_PASSWORD", password);
    let (default, of_user) = (
        default.start_or_panic().await,
        of_user.start_or_panic().await,
    );
    conformance::run(&mut default.coordination()).await;
    tokio::task::block_in_place(|| set.failover());
    while !of_user.is_healthy().await {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    conformance::run(&mut of_user.coordination()).await;
}

/// Waits until the service says why it has no Redis.
async fn refusal(service: &Service) -> String {
    let mut clients = service.coordination();
    loop {
        match clients.get(NAMESPACE, "anything").await {
            Err(refusal) if refusal.message().contains("127.0.0.1") => {
                return refusal.message().to_owned();
            }
            Ok(_) => panic!("it has a Redis"),
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_refuses_is_named_in_the_error_the_log_and_doctor() {
    let set = start_set();
    let temp = TempEnv::new();
    let sentinel = set.addresses().swap_remove(0);
    let wants = format!("Sentinel {sentinel}: wants a password: set redis.sentinel_password");
    let refuses =
        format!("Sentinel {sentinel}: refuses redis.sentinel_username or redis.sentinel_password");
    let url = set.url();
    let node = url.replace(PASSWORDS.nodes, WRONG);
    let node_refuses = format!(
        "the master that Sentinel {sentinel} names: refuses the user or password of redis_url"
    );
    for (url, password, expected) in [
        (&url, "", &wants),
        (&url, WRONG, &refuses),
        (&node, PASSWORDS.sentinels, &node_refuses),
    ] {
        let mut launch = Launch::stack(&temp.data_dir(), url);
        if !password.is_empty() {
            launch = launch.env("SHIM_REDIS_SENTINEL_PASSWORD", password);
        }
        let mut service = launch.spawn();
        while !service.is_serving("").await {
            assert!(service.exit_status().is_none(), "{}", service.log());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let told = refusal(&service).await;
        assert!(told.contains(expected.as_str()), "{told}");
        while !service.log().contains(expected.as_str()) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let doctor = Command::new(binary::shim())
            .arg("--data-dir")
            .arg(temp.data_dir())
            .arg("doctor")
            .env("SHIM_REDIS_URL", url)
            .output()
            .unwrap();
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(doctor.contains(expected.as_str()), "{doctor}");
        for secret in [PASSWORDS.nodes, PASSWORDS.sentinels, WRONG] {
            let said = format!("{told} {doctor} {}", service.log());
            assert!(!said.contains(secret), "{said}");
        }
        service.kill();
    }
}
