//! Each command of the book, run by bash with the real grpcurl against a stack: over its Unix socket, over TCP with the
//! token that it made, with a token of one's own and with TLS. And a backup that is really restored.

use std::path::Path;
use std::time::Duration;

use shim_redis_harness::{Certificates, Port, Redis};
use shim_tests::binary;
use shim_tests::python;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tokio::process::Command;

use super::{chapter, commands, read};

const TIMEOUT: Duration = Duration::from_secs(120);
const BY_HAND: &str = "By hand, with grpcurl";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A stack, and what a person at its machine has in the environment.
struct ManualEnv {
    temp: TempEnv,
    environment: Vec<(String, String)>,
    _stack: Service,
    _redis: Redis,
    _port: Port,
}

impl ManualEnv {
    async fn new(settings: &[(&str, &Path)]) -> Self {
        let (temp, redis, port) = (TempEnv::new(), Redis::start(), Port::reserve());
        let address = format!("127.0.0.1:{}", port.number());
        let file = temp.root().join("shim.toml");
        let executor = format!(
            "worker.roots = ['{}']\n[worker.executors.make]\nkind = 'command'\nprogram = 'true'\n",
            temp.project().display()
        );
        std::fs::write(&file, executor).unwrap();
        let launch = Launch::stack(&temp.data_dir(), &redis.url())
            .env("SHIM_CONFIG", &file.display().to_string())
            .env("SHIM_LISTEN", &address)
            // On a busy machine the next command may come late, and the worker sends no heartbeats in between.
            .env("SHIM_REGISTRY_DEAD_AFTER", "100s");
        let mut environment = vec![
            ("ADDRESS".to_owned(), address),
            (
                "SHIM_DATA_DIR".to_owned(),
                temp.data_dir().display().to_string(),
            ),
        ];
        let mut configured = launch;
        for (name, path) in settings {
            let path = path.display().to_string();
            configured = configured.env(name, &path);
            environment.push(((*name).to_owned(), path));
        }
        Self {
            _stack: configured.start_or_panic().await,
            temp,
            environment,
            _redis: redis,
            _port: port,
        }
    }

    async fn run(&self, script: &str) -> String {
        let environment = self.environment.iter().cloned();
        bash(script, &self.temp.project(), environment).await
    }
}

/// Runs a script that must succeed, line by line, with the tests' grpcurl and shim. Returns what it said.
async fn bash(
    script: &str,
    folder: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> String {
    let folder_of = |program: &Path| program.parent().unwrap().display().to_string();
    let path = [
        folder_of(&python::interpreter()),
        folder_of(&binary::shim()),
        std::env::var("PATH").unwrap(),
    ];
    let mut command = Command::new("bash");
    command
        .args(["-euxo", "pipefail", "-c", script])
        .current_dir(folder)
        .envs(environment)
        .env("PATH", path.join(":"))
        .kill_on_drop(true);
    let ended = tokio::time::timeout(TIMEOUT, command.output()).await;
    let output = ended.expect("the script ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let steps = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{steps}");
    said
}

/// The plain commands up to the two words they all use, with one of the other ways to be let in, if it has a name.
fn let_in_by(way: &str) -> String {
    let by_hand = chapter(BY_HAND);
    let plain = commands(&by_hand, "");
    let words = plain.find("call()").unwrap();
    let end = plain
        .find("grpcurl \"${FLAGS[@]}\" \"$ADDRESS\" list")
        .unwrap();
    let other = match way {
        "" => String::new(),
        way => commands(&by_hand, way),
    };
    let prelude = [&plain[..words], &other, &plain[words..end]].concat();
    prelude + "call shim.checkpoint.v1.CheckpointService/ListSessions | jq -c .\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_manual_works() {
    let mut env = ManualEnv::new(&[]).await;
    // As on a machine where nothing but the stack was started.
    env.environment.retain(|(name, _)| name != "ADDRESS");
    let said = env.run(&commands(&chapter(BY_HAND), "")).await;
    for part in [
        "shim.worker.v1.WorkerService",
        "a token bucket",
        "described",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_reached_with_the_token_that_was_made_as_the_manual_says() {
    let env = ManualEnv::new(&[]).await;
    assert_eq!(env.run(&let_in_by("")).await, "{}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unix_socket_is_reached_as_the_manual_says() {
    let env = ManualEnv::new(&[]).await;
    assert_eq!(env.run(&let_in_by("unix")).await, "{}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_as_the_manual_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("# ours\n{TOKEN} role=read name=book\n")).unwrap();
    let env = ManualEnv::new(&[("SHIM_AUTH_TOKEN_FILE", &file)]).await;
    assert_eq!(env.run(&let_in_by("token")).await, "{}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_as_the_manual_says() {
    let folder = tempfile::tempdir().unwrap();
    let files = Certificates::make(folder.path());
    let (ca, cert, key) = (
        files.ca_file(),
        files.cert_file("server"),
        files.key_file("server"),
    );
    let env = ManualEnv::new(&[
        ("SHIM_TLS_CA_FILE", &ca),
        ("SHIM_TLS_CERT_FILE", &cert),
        ("SHIM_TLS_KEY_FILE", &key),
    ])
    .await;
    assert_eq!(env.run(&let_in_by("tls")).await, "{}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_back_what_was_lost() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let environment = || {
        [
            ("SHIM_DATA_DIR", temp.data_dir().display().to_string()),
            ("SHIM_REDIS_URL", redis.url()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    };
    let backup = chapter("Backup and restore");
    let save = let_in_by("").replace(
        "call shim.checkpoint.v1.CheckpointService/ListSessions | jq -c .",
        r#"call shim.checkpoint.v1.CheckpointService/OpenSession '{"request_id": "'$(id)'", "project": "/srv/limiter", "title": "'$TITLE'"}'"#,
    );
    let saved = |title: &str| format!("TITLE={title}\n{save}");
    let story = [
        "shim up --detach\n",
        &saved("kept"),
        &commands(&backup, "backup"),
        &saved("afterwards"),
        &commands(&backup, "restore"),
        "echo RESTORED; shim sessions list --json\n",
        "shim down\n",
    ]
    .concat();
    let said = bash(&story, &temp.project(), environment()).await;
    let (_, restored) = said.split_once("RESTORED").unwrap();
    assert!(restored.contains("kept"), "{said}");
    assert!(!restored.contains("afterwards"), "{said}");
}

#[test]
fn no_method_is_missing_in_the_manual() {
    let script = commands(&chapter(BY_HAND), "");
    let contracts = [
        "checkpoint/v1/checkpoint_service",
        "checkpoint/v1/signal_service",
        "coordination/v1/bus_service",
        "coordination/v1/lock_service",
        "coordination/v1/registry_service",
        "coordination/v1/state_service",
        "coordination/v1/task_service",
        "worker/v1/worker_service",
    ];
    let mut methods = 0;
    for contract in contracts {
        let contract = read(&format!("proto/shim/{contract}.proto"));
        for line in contract.lines() {
            let Some(method) = line.trim().strip_prefix("rpc ") else {
                continue;
            };
            let method = method.split('(').next().unwrap();
            methods += 1;
            assert!(script.contains(&format!("/{method}")), "{method}");
        }
    }
    assert!(methods > 50, "{methods} methods");
}
