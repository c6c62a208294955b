//! Ten thousand random requests over all RPCs of a service that take one message, made from the contract's descriptors: each is answered or refused
//! plainly, what was saved before stays, memory stays bounded.
//!
//! Each RPC has a seed of its own for each round, so an RPC that is added changes no request of the others.

use std::cell::Cell;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use shim_proto::coordination::v1::{Requirements, SubmitTaskRequest, Task, WorkerKind};
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use shim_tests::coordination::{NAMESPACE, counted, put};
use shim_tests::service::{Launch, Service};
use shim_tests::tasks::job;
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, sample_content};
use tokio::runtime::Runtime;
use tonic::Code;

use super::coordination;
use super::requests::Requests;
use super::tasks;
use super::valid::Fixture;
use super::wire::Wire;

const REQUESTS: u32 = 10_000;
/// In each of them every RPC has its turn, so that the RPCs meet in many states.
const ROUNDS: u32 = 20;
/// One of so many is a good one; of reports of workers fewer, since a task ends once.
const GOOD: u32 = 20;
const GOOD_REPORTS: u32 = 50;
/// What the seeds are made from. A failure prints its seed; the same one makes the same requests but for the ids in them.
const SEED: [u8; 32] = *b"ten thousand requests, one seed.";
const MAX_RESIDENT_BYTES: u64 = 300 * 1024 * 1024;
/// Sessions, or entries, that no request knows of.
const PROTECTED: usize = 8;

/// Codes that say "the service is at fault": never for what a client sends.
fn is_plain(code: Code) -> bool {
    !matches!(
        code,
        Code::Internal
            | Code::Unknown
            | Code::Unavailable
            | Code::DeadlineExceeded
            | Code::DataLoss
            | Code::Unimplemented
    )
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The seed of an RPC in a round.
fn seed_of(method: &MethodDescriptor, round: u32) -> [u8; 32] {
    let mut seed = SEED;
    for (at, byte) in format!("{round} {}", method.name()).bytes().enumerate() {
        let place = &mut seed[at % SEED.len()];
        *place = place.wrapping_mul(31).wrapping_add(byte);
    }
    seed
}

/// What came of the requests.
#[derive(Default)]
struct Tally {
    sent: Cell<u32>,
    answered: Cell<u32>,
    most_resident: Cell<u64>,
}

/// Sends all of them; panics with the first that is not answered plainly, made as small as it goes.
fn send_all(runtime: &Runtime, service: &Service, wire: &Wire, requests: &Requests, good: u32) {
    let methods = wire.methods();
    let cases = REQUESTS.div_ceil(ROUNDS * u32::try_from(methods.len()).unwrap());
    let tally = Tally::default();
    eprintln!("seed {:?}", String::from_utf8_lossy(&SEED));
    for round in 0..ROUNDS {
        for method in &methods {
            let messages = requests.message(&method.input(), 0);
            let mut runner = runner(seed_of(method, round), cases);
            let outcome = runner.run(&messages, |message| {
                send(runtime, service, wire, method, &message, &tally)
            });
            if let Err(failure) = outcome {
                panic!(
                    "seed {:?}, round {round}, {}: {failure}\n{}",
                    String::from_utf8_lossy(&SEED),
                    method.name(),
                    last_lines(&service.log())
                );
            }
        }
    }
    let (sent, answered) = (tally.sent.get(), tally.answered.get());
    assert!(
        answered * good > sent,
        "many requests were good ones: {answered} of {sent}"
    );
    assert!(
        tally.most_resident.get() < MAX_RESIDENT_BYTES,
        "memory: {}",
        tally.most_resident.get()
    );
}

fn runner(seed: [u8; 32], cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn send(
    runtime: &Runtime,
    service: &Service,
    wire: &Wire,
    method: &MethodDescriptor,
    message: &DynamicMessage,
    tally: &Tally,
) -> Result<(), TestCaseError> {
    let sent = wire.send(method, message.encode_to_vec().into());
    tally.sent.set(tally.sent.get() + 1);
    let resident = tally.most_resident.get().max(service.resident_bytes());
    tally.most_resident.set(resident);
    match runtime.block_on(sent) {
        Ok(_) => tally.answered.set(tally.answered.get() + 1),
        Err(status) if is_plain(status.code()) => {}
        Err(status) => {
            let why = format!("{}: {}", method.name(), decode(&status));
            return Err(TestCaseError::fail(why));
        }
    }
    Ok(())
}

#[test]
fn ten_thousand_random_requests_do_no_harm() {
    let runtime = runtime();
    let _context = runtime.enter();
    let temp = TempEnv::new();
    let service = runtime.block_on(Service::start(&temp.data_dir()));
    let wire = Wire::to(&service);
    let protected = runtime.block_on(protected_sessions(&service));
    let known_ids = runtime.block_on(fixture_ids(&wire));
    let requests = Requests {
        known_ids,
        ..Requests::default()
    };
    send_all(&runtime, &service, &wire, &requests, GOOD);
    runtime.block_on(assert_untouched(&service, &protected));
}

#[test]
fn ten_thousand_random_requests_to_the_coordination_service_do_no_harm() {
    let runtime = runtime();
    let _context = runtime.enter();
    let temp = TempEnv::new();
    let redis = Redis::start();
    let launch = Launch::coordination(&temp.data_dir(), &redis.url());
    let service = runtime.block_on(launch.start_or_panic());
    let wire = Wire::to_coordination(&service);
    let protected = runtime.block_on(protected_entries(&service));
    let job = runtime.block_on(protected_job(&service));
    let known_ids = runtime.block_on(async {
        let fixture = coordination::Fixture::make(&wire).await;
        fixture.ids()
    });
    let requests = Requests {
        known_ids,
        ..Requests::default()
    };
    send_all(&runtime, &service, &wire, &requests, GOOD);
    runtime.block_on(async {
        assert!(service.is_healthy().await);
        let mut clients = service.coordination();
        for (key, version) in &protected {
            let entry = clients.get(NAMESPACE, key).await.unwrap();
            assert_eq!(entry.version, *version, "{entry:?}");
        }
        let now = service.tasks().task(&job.task_id).await;
        assert_eq!(as_recorded(now.unwrap()), as_recorded(job));
    });
}

#[test]
fn ten_thousand_random_requests_to_the_worker_service_do_no_harm() {
    let runtime = runtime();
    let _context = runtime.enter();
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = tasks::WorkFixture::stack(&temp, &redis.url());
    let service = runtime.block_on(launch.start_or_panic());
    let (submitter, wire) = (Wire::to_coordination(&service), Wire::to_worker(&service));
    let work = runtime.block_on(tasks::WorkFixture::make(&submitter, &wire));
    let job = runtime.block_on(protected_job(&service));
    let requests = Requests {
        known_ids: work.ids(),
        known_tokens: work.tokens(),
    };
    send_all(&runtime, &service, &wire, &requests, GOOD_REPORTS);
    runtime.block_on(async {
        assert!(service.is_healthy().await);
        let now = service.tasks().task(&job.task_id).await;
        assert_eq!(as_recorded(now.unwrap()), as_recorded(job));
    });
}

/// Without what a look says of its surroundings: a random request may pause the queue, and lease the files.
fn as_recorded(task: Task) -> Task {
    Task {
        queue_paused: false,
        file_wait: None,
        ..task
    }
}

/// A task that no request knows of, and that none of the workers can do.
async fn protected_job(service: &Service) -> Task {
    let request = SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Analysis.into(),
            capabilities: vec!["nobody:can".into()],
        }),
        ..job("stay as you are")
    };
    let submitted = service.tasks().submit(request).await.unwrap();
    submitted.task.unwrap()
}

/// Keys of entries with their versions.
async fn protected_entries(service: &Service) -> Vec<(String, u64)> {
    let mut clients = service.coordination();
    let mut entries = Vec::new();
    for number in 0..PROTECTED as u64 {
        let key = format!("protected:{number}");
        let version = clients
            .put(put(&key, counted(number), Some(0)))
            .await
            .unwrap();
        entries.push((key, version));
    }
    entries
}

type Saved = (
    shim_proto::checkpoint::v1::Checkpoint,
    shim_proto::checkpoint::v1::CheckpointState,
);

/// Each with its newest checkpoint, which even the sharpest Prune keeps.
async fn protected_sessions(service: &Service) -> Vec<Saved> {
    let mut client = service.client();
    let mut rng = shim_tests::rng::SeededRng::new(9);
    let mut saved = Vec::new();
    for number in 0..PROTECTED {
        let session = calls::open(&mut client, "/protected").await.unwrap();
        let state = sample_content::state(&mut rng, &format!("protected {number}"), 2000);
        saved.push((
            calls::save(&mut client, &session, state.clone())
                .await
                .unwrap(),
            state,
        ));
    }
    saved
}

async fn fixture_ids(wire: &Wire) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..4 {
        let Fixture {
            session_id,
            checkpoint_ids: [first, second],
            restore_id,
            ..
        } = Fixture::make(wire).await;
        ids.extend(
            [session_id, first, second, restore_id].map(|id| id.as_str().unwrap().to_owned()),
        );
    }
    ids
}

async fn assert_untouched(service: &Service, protected: &[Saved]) {
    assert!(service.is_healthy().await);
    let mut client = service.client();
    for (header, state) in protected {
        assert_eq!(
            &calls::content(&mut client, &header.id).await.unwrap(),
            state
        );
        let history = calls::history(&mut client, &header.session_id, 0)
            .await
            .unwrap();
        assert_eq!(history.checkpoints, std::slice::from_ref(header));
        assert!(history.damaged_numbers.is_empty());
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
