//! A machine that sleeps: the stack, its Redis and the gateway stand still together, or the gateway alone does.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use shim_proto::checkpoint::v1::SessionStatus;
use shim_proto::coordination::v1::{GetWorkerRequest, WorkerState};
use shim_redis_harness::Redis;
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::process;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::{POLL_INTERVAL, save, session, session_id, until};

const LEASE: Duration = Duration::from_secs(3);
const DEAD_AFTER: Duration = Duration::from_secs(2);

async fn stack(temp: &TempEnv, redis: &Redis) -> Service {
    Launch::stack(&temp.data_dir(), &redis.url())
        .env("SHIM_CHECKPOINT_LEASE", &format!("{}s", LEASE.as_secs()))
        .env("SHIM_REGISTRY_HEARTBEAT", "500ms")
        .env(
            "SHIM_REGISTRY_DEAD_AFTER",
            &format!("{}s", DEAD_AFTER.as_secs()),
        )
        .start_or_panic()
        .await
}

async fn worker_state(service: &Service, id: &str) -> WorkerState {
    let request = GetWorkerRequest {
        worker_id: id.to_owned(),
    };
    let answer = service.coordination().registry.get_worker(request).await;
    answer.unwrap().into_inner().worker.unwrap().state()
}

fn signal_all(service: &Service, redis: &Redis, gateway: &Gateway, signal: Signal) {
    for pid in [service.pid(), redis.pid(), gateway.pid()] {
        process::signal(pid, signal);
    }
}

#[tokio::test]
async fn a_machine_that_slept_interrupts_nobody() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let service = stack(&temp, &redis).await;
    let mut gateway = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let id = session_id(&save(&mut gateway, "sleep well").await);
    let register = json!({"action": "register", "capabilities": ["sleep"]});
    let _ = tool_output(gateway.call("shim_worker_task", register).await);

    signal_all(&service, &redis, &gateway, Signal::SIGSTOP);
    tokio::time::sleep(LEASE * 3).await;
    signal_all(&service, &redis, &gateway, Signal::SIGCONT);

    let woken = tokio::time::Instant::now();
    while woken.elapsed() < LEASE * 2 {
        let now = session(&temp, &id).await;
        assert_eq!(now.status(), SessionStatus::Active, "{now:?}");
        let worker = worker_state(&service, &id).await;
        assert!(worker != WorkerState::Dead, "{worker:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    assert_eq!(save(&mut gateway, "go on").await["checkpoint"]["number"], 2);
}

#[tokio::test]
async fn a_gateway_that_slept_alone_takes_its_session_back_without_a_call() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let _service = stack(&temp, &redis).await;
    let mut gateway = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let id = session_id(&save(&mut gateway, "doze off").await);
    gateway.freeze();
    until(&temp, &id, SessionStatus::Interrupted).await;
    gateway.thaw();
    let back = until(&temp, &id, SessionStatus::Active).await;
    assert!(back.interruption.is_none() && back.epoch == 1, "{back:?}");
    assert_eq!(save(&mut gateway, "go on").await["checkpoint"]["number"], 2);
}
