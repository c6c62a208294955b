//! Stories of workers whose processes end: each is dead at once, and no other is. Silence would tell it an hour later.

use std::process::{Child, Command};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::{process, worker_processes};

use super::registry::{get, heartbeat, register, registration};
use super::test_service::{TestService, within};
use super::test_worker::{TestWorker, job, submit};

const SILENCE: [(&str, &str); 2] = [("registry.heartbeat", "1m"), ("registry.dead_after", "1h")];

/// A process that a worker says it lives in.
struct Window(Child);

impl Window {
    fn open() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn identity(&self) -> ProcessIdentity {
        process::identity(self.0.id()).unwrap()
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn start(redis: &Redis) -> TestService {
    TestService::start_with(&redis.unix_url(), &SILENCE).await
}

fn living_in(processes: &[ProcessIdentity]) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        node: process::hostname(),
        processes: worker_processes::of(processes.iter().copied()),
        ..registration()
    }
}

fn again(worker: &Worker, request: RegisterWorkerRequest) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        worker_id: worker.worker_id.clone(),
        ..request
    }
}

async fn until_dead(service: &TestService, worker: &Worker) -> Worker {
    within(async {
        loop {
            let now = get(service, worker).await.unwrap();
            if now.state() == WorkerState::Dead {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

/// Once this worker is dead, the service has seen whatever happened before.
async fn settle(service: &TestService) {
    let window = Window::open();
    let last = register(service, living_in(&[window.identity()])).await;
    window.kill();
    until_dead(service, &last).await;
}

#[tokio::test]
async fn a_worker_is_dead_when_all_its_processes_are_gone() {
    let redis = Redis::start();
    let service = start(&redis).await;
    let (gateway, client) = (Window::open(), Window::open());
    let request = living_in(&[gateway.identity(), client.identity()]);
    let worker = register(&service, request.clone()).await;
    assert_eq!(worker.processes, request.processes);
    gateway.kill();
    settle(&service).await;
    heartbeat(&service, &worker).await.unwrap();
    client.kill();
    let dead = until_dead(&service, &worker).await;
    assert_eq!(dead.detail, "its process ended");
    let refused = heartbeat(&service, &worker).await.unwrap_err();
    assert!(refused.message().contains("processes ended"), "{refused}");
}

#[tokio::test]
async fn the_task_of_a_killed_process_goes_to_another_worker() {
    let redis = Redis::start();
    let service = start(&redis).await;
    let window = Window::open();
    let killed = register(&service, living_in(&[window.identity()])).await;
    let (mut first, second) = (
        TestWorker::start(&redis).await,
        TestWorker::start(&redis).await,
    );
    first.go_on_as(&killed);
    let task = submit(&service, job("survives its worker")).await;
    let lost = first.take().await;
    assert!(second.try_take().await.is_none());
    window.kill();
    let claimed = second.take().await;
    assert_eq!(claimed.task.task_id, task.task.unwrap().task_id);
    assert!(claimed.lease > lost.lease);
}

#[tokio::test]
async fn a_worker_that_registered_in_another_process_outlives_the_first() {
    let redis = Redis::start();
    let service = start(&redis).await;
    let (first, second) = (Window::open(), Window::open());
    let worker = register(&service, living_in(&[first.identity()])).await;
    let request = again(&worker, living_in(&[second.identity()]));
    let worker = register(&service, request).await;
    first.kill();
    settle(&service).await;
    heartbeat(&service, &worker).await.unwrap();
    second.kill();
    until_dead(&service, &worker).await;
}

#[tokio::test]
async fn nothing_is_concluded_of_processes_elsewhere() {
    let redis = Redis::start();
    let service = start(&redis).await;
    let window = Window::open();
    let here = living_in(&[window.identity()]);
    window.kill();
    let mut elsewhere = vec![RegisterWorkerRequest {
        node: "another machine".into(),
        ..here.clone()
    }];
    for change in [
        (|told| told.boot_id = "before".into()) as fn(&mut WorkerProcesses),
        |told| told.namespaces = "pid:[7]".into(),
    ] {
        let mut request = here.clone();
        change(request.processes.as_mut().unwrap());
        elsewhere.push(request);
    }
    elsewhere.push(registration());
    let mut workers = Vec::new();
    for request in elsewhere {
        let request = RegisterWorkerRequest {
            request_id: registration().request_id,
            ..request
        };
        workers.push(register(&service, request).await);
    }
    settle(&service).await;
    for worker in &workers {
        heartbeat(&service, worker).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_starts_finds_who_lives_and_whose_processes_ended_meanwhile() {
    let redis = Redis::start();
    let service = start(&redis).await;
    let (ended, living) = (Window::open(), Window::open());
    let gone = register(&service, living_in(&[ended.identity()])).await;
    let alive = register(&service, living_in(&[living.identity()])).await;
    service.stop().await;
    ended.kill();
    let service = start(&redis).await;
    until_dead(&service, &gone).await;
    heartbeat(&service, &alive).await.unwrap();
    living.kill();
    until_dead(&service, &alive).await;
}

/// Workers move between processes while these are killed, and services come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_any_order_of_events_those_and_only_those_without_processes_are_dead() {
    let seed: u64 =
        std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let redis = Redis::start();
    let mut services = vec![start(&redis).await, start(&redis).await];
    let mut living: Vec<(Worker, Window)> = Vec::new();
    let mut dead: Vec<Worker> = Vec::new();
    for _ in 0..150 {
        let service = services.choose(&mut rng).unwrap();
        match rng.random_range(0..10) {
            0..4 => {
                let window = Window::open();
                let worker = register(service, living_in(&[window.identity()])).await;
                living.push((worker, window));
            }
            4..6 if !living.is_empty() => {
                let moved = rng.random_range(0..living.len());
                let (worker, left) = living.swap_remove(moved);
                let window = Window::open();
                let request = again(&worker, living_in(&[window.identity()]));
                // The old process ends before, while or after the worker registers in the new one.
                let is_late = rng.random_bool(0.5);
                let left = match is_late {
                    true => Some(left),
                    false => {
                        left.kill();
                        None
                    }
                };
                let worker = register(service, request).await;
                if let Some(left) = left {
                    left.kill();
                }
                living.push((worker, window));
            }
            6..9 if !living.is_empty() => {
                let (worker, window) = living.swap_remove(rng.random_range(0..living.len()));
                window.kill();
                dead.push(worker);
            }
            9 => {
                let stopped = services.swap_remove(rng.random_range(0..services.len()));
                services.push(start(&redis).await);
                stopped.stop().await;
            }
            _ => {}
        }
    }
    for worker in &dead {
        until_dead(&services[0], worker).await;
    }
    settle(&services[0]).await;
    for (worker, _) in &living {
        heartbeat(&services[0], worker).await.unwrap();
    }
    for (_, window) in living {
        window.kill();
    }
}
