//! `/metrics` of real processes: what happens is counted, and nothing is told that the table does not know.

mod scrape;

use std::time::Duration;

use serde_json::json;
use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, CheckpointState, ObservedEvent, PromptSubmitted,
    RecordResumeRequest, RecordSignalsRequest, ReportEventsRequest, RestoreCheckpointRequest,
    Session, Signals,
};
use shim_proto::coordination::v1::Worker;
use shim_redis_harness::{Port, Redis};
use shim_tests::calls::{client_info, open, request_id, save};
use shim_tests::coordination::{self, counted, files, lock, message};
use shim_tests::mcp::GatewayLaunch;
use shim_tests::service::{Launch, Service};
use shim_tests::tasks::{Claim, TaskClients, job};
use shim_tests::temp_env::TempEnv;
use tokio::task::JoinHandle;
use tokio_stream::once;

use scrape::Scrape;

const WAIT: Duration = Duration::from_secs(20);
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// What a stack is, in the words of the table.
const STACK: [&str; 5] = [
    "every process",
    "every server",
    "checkpoint",
    "coordination and worker",
    "coordination",
];

pub(super) struct TestStack {
    pub(super) temp: TempEnv,
    pub(super) service: Service,
    pub(super) address: String,
    _port: Port,
    _redis: Redis,
}

pub(super) async fn start_stack() -> TestStack {
    let (temp, redis, port) = (TempEnv::new(), Redis::start(), Port::reserve());
    let address = format!("127.0.0.1:{}", port.number());
    let service = Launch::stack(&temp.data_dir(), &redis.url())
        .env("SHIM_METRICS_LISTEN", &address)
        .env("SHIM_LISTEN", "127.0.0.1:0")
        .start_or_panic()
        .await;
    TestStack {
        temp,
        service,
        address,
        _port: port,
        _redis: redis,
    }
}

/// A session is saved, lost and brought back; its text holds a secret.
pub(super) async fn a_session_comes_back(stack: &Service) {
    let (mut client, mut signals) = (stack.client(), stack.signals());
    let session = open(&mut client, "/metrics").await.unwrap();
    let state = CheckpointState {
        current_task: "rotate ghp_16C7e42F292c6912E7710c838347Ae178B4a".into(),
        next_steps: vec!["go on".into()],
        ..Default::default()
    };
    save(&mut client, &session, state).await.unwrap();
    let assessed = RecordSignalsRequest {
        request_id: request_id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        signals: Some(Signals {
            estimated_tokens: Some(1_000),
            ..Default::default()
        }),
    };
    signals.record_signals(assessed).await.unwrap();
    lose(stack, &session).await;
    let restore = RestoreCheckpointRequest {
        request_id: request_id(),
        session_id: session.id,
        client: Some(client_info()),
        ..Default::default()
    };
    let restored = client.restore_checkpoint(restore).await.unwrap();
    let resumed = RecordResumeRequest {
        request_id: request_id(),
        restore_id: restored.into_inner().restore_id,
        fidelity: 0.9,
        notes: String::new(),
    };
    client.record_resume(resumed).await.unwrap();
    observe(stack).await;
}

/// A client tells by itself that it was given a prompt.
async fn observe(stack: &Service) {
    let event = ObservedEvent {
        event_id: request_id(),
        at: Some(std::time::SystemTime::now().into()),
        conversation: request_id(),
        cwd: "/metrics".into(),
        client: Some(client_info()),
        event: Some(Event::PromptSubmitted(PromptSubmitted::default())),
        ..ObservedEvent::default()
    };
    let mut observations = ObservationServiceClient::new(stack.channel());
    let events = vec![event];
    let told = observations.report_events(ReportEventsRequest { events });
    assert_eq!(told.await.unwrap().into_inner().kept, 1);
}

/// The owner attaches and closes its side, as a client that is quit.
async fn lose(stack: &Service, session: &Session) {
    let attach = AttachSessionRequest {
        message: Some(Said::Attach(Attach {
            session_id: session.id.clone(),
            epoch: session.epoch,
            client: Some(client_info()),
        })),
    };
    let mut events = stack
        .client()
        .attach_session(once(attach))
        .await
        .unwrap()
        .into_inner();
    while let Ok(Some(_)) = events.message().await {}
}

/// A worker that beats until it is dropped.
struct HeartbeatingWorker {
    worker: Worker,
    beats: JoinHandle<()>,
}

impl HeartbeatingWorker {
    async fn join(mut tasks: TaskClients, name: &str) -> Self {
        let worker = tasks.register(name, 1).await.unwrap();
        let own = worker.clone();
        let beats = tokio::spawn(async move {
            while tasks.heartbeat(&own, 0).await.is_ok() {
                tokio::time::sleep(HEARTBEAT_INTERVAL).await;
            }
        });
        Self { worker, beats }
    }
}

impl Drop for HeartbeatingWorker {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

async fn claim(tasks: &mut TaskClients, worker: &Worker) -> Claim {
    tasks
        .claim(worker, WAIT)
        .await
        .unwrap()
        .expect("a task waits")
}

/// A task fails and is done by another try; the worker of a second one dies.
pub(super) async fn tasks_are_done(stack: &TestStack) {
    let mut tasks = stack.service.tasks();
    let HeartbeatingWorker { worker, .. } =
        &HeartbeatingWorker::join(tasks.clone(), "steady").await;
    let first = tasks.submit(job("try twice")).await.unwrap();
    let failing = claim(&mut tasks, worker).await;
    tasks.fail(&failing, "no luck", false).await.unwrap();
    let again = claim(&mut tasks, worker).await;
    tasks.complete(&again, "done").await.unwrap();
    let stale = tasks.complete(&failing, "late").await;
    assert!(stale.is_err(), "a late result was taken");
    tasks
        .wait_for_end(&first.task.unwrap().task_id)
        .await
        .unwrap();

    tasks.submit(job("outlive a worker")).await.unwrap();
    let mortal = tasks.register("mortal", 1).await.unwrap();
    claim(&mut tasks, &mortal).await;
    Scrape::until(&stack.address, "a death", |scrape| {
        scrape.sum("shim_worker_deaths_total", &[]) >= 1.0
            && scrape.sum("shim_task_retries_total", &[("reason", "died")]) == 1.0
    })
    .await;
    let HeartbeatingWorker { worker: heir, .. } =
        &HeartbeatingWorker::join(tasks.clone(), "heir").await;
    let inherited = claim(&mut tasks, heir).await;
    tasks.complete(&inherited, "done").await.unwrap();
}

pub(super) async fn a_team_meets(stack: &Service) {
    let mut clients = stack.coordination();
    let write = |expected| coordination::put("plan", counted(1), expected);
    clients.put(write(None)).await.unwrap();
    clients.put(write(Some(99))).await.unwrap_err();
    for owner in ["a", "b"] {
        let asked = clients.lock(lock("door", owner, WAIT)).await;
        assert_eq!(asked.is_ok(), owner == "a");
        let leased = clients.lease(files(owner, &["src/**"])).await;
        assert_eq!(leased.is_ok(), owner == "a");
    }
    clients
        .send(message("0198c0de-0000-7000-8000-000000000001", "hello"))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_stack_does_is_counted_as_the_table_says() {
    let stack = start_stack().await;
    let before = Scrape::of(&stack.address).await;
    before.assert_documented();
    assert_eq!(before.sum("shim_checkpoint_saves_total", &[]), 0.0);

    a_session_comes_back(&stack.service).await;
    a_team_meets(&stack.service).await;
    tasks_are_done(&stack).await;

    let after = Scrape::until(&stack.address, "every metric", |scrape| {
        scrape.missing(&STACK).is_empty() && scrape.is_whole()
    })
    .await;
    after.assert_documented();
    for (name, labels, times) in [
        (
            "shim_checkpoint_saves_total",
            [("trigger", "manual")].as_slice(),
            1.0,
        ),
        ("shim_checkpoint_state_bytes_count", &[], 1.0),
        (
            "shim_checkpoint_risk_assessments_total",
            &[("level", "safe")],
            1.0,
        ),
        (
            "shim_checkpoint_sessions_interrupted_total",
            &[("cause", "client_closed")],
            1.0,
        ),
        (
            "shim_checkpoint_sessions_recovered_total",
            &[("cause", "client_closed")],
            1.0,
        ),
        ("shim_checkpoint_detection_delay_seconds_count", &[], 1.0),
        ("shim_checkpoint_recovery_fidelity_ratio_sum", &[], 0.9),
        ("shim_checkpoint_store_errors_total", &[], 0.0),
        ("shim_state_conflicts_total", &[], 1.0),
        ("shim_locks_acquired_total", &[("outcome", "granted")], 1.0),
        ("shim_locks_acquired_total", &[("outcome", "refused")], 1.0),
        ("shim_file_leases_total", &[("outcome", "refused")], 1.0),
        ("shim_tasks_submitted_total", &[], 2.0),
        ("shim_tasks_claimed_total", &[("executor", "agent")], 4.0),
        ("shim_tasks_ended_total", &[("state", "completed")], 2.0),
        ("shim_task_retries_total", &[("reason", "failed")], 1.0),
        ("shim_task_retries_total", &[("reason", "died")], 1.0),
        ("shim_stale_writes_refused_total", &[("what", "task")], 1.0),
        (
            "shim_rpc_server_requests_total",
            &[("rpc_method", "SaveCheckpoint"), ("code", "OK")],
            1.0,
        ),
        (
            "shim_rpc_server_requests_total",
            &[("rpc_method", "PutState"), ("code", "OK")],
            1.0,
        ),
        (
            "shim_rpc_server_duration_seconds_count",
            &[("rpc_method", "PutState")],
            2.0,
        ),
    ] {
        assert_eq!(after.sum(name, labels), times, "{name} {labels:?}");
    }
}

#[tokio::test]
async fn names_that_clients_make_up_make_no_series() {
    let stack = start_stack().await;
    let mut clients = stack.service.coordination();
    let mut tasks = stack.service.tasks();
    let HeartbeatingWorker { worker, .. } =
        &HeartbeatingWorker::join(tasks.clone(), "steady").await;
    for number in 0..40 {
        let mut job = job("of its own kind");
        job.kind = format!("kind-{number}");
        tasks.submit(job).await.unwrap();
        let claimed = claim(&mut tasks, worker).await;
        tasks.complete(&claimed, "done").await.unwrap();
    }
    let name = |number| format!("name-{number}");
    let visit = async |clients: &mut coordination::CoordinationClients, number: usize| {
        let name = name(number);
        clients
            .put(coordination::put(&name, counted(1), None))
            .await
            .unwrap();
        clients.lock(lock(&name, &name, WAIT)).await.unwrap();
    };
    visit(&mut clients, 0).await;
    let before = Scrape::of(&stack.address).await;
    for number in 1..=500 {
        visit(&mut clients, number).await;
    }
    let after = Scrape::of(&stack.address).await;
    after.assert_documented();
    assert_eq!(
        after.sum("shim_locks_acquired_total", &[("outcome", "granted")]),
        501.0
    );
    let kinds = after.sum("shim_task_duration_seconds_count", &[("kind", "other")]);
    assert_eq!(kinds, 8.0, "the first 32 kinds have names");
    // Gauges that are looked at now and then may have shown up meanwhile, with the few values of their labels.
    let grown = after.samples.len() - before.samples.len();
    assert!(grown <= 30, "{grown} series more: {after:?}");
}

#[tokio::test]
async fn a_gateway_that_is_asked_to_counts_the_requests_of_its_client() {
    let stack = start_stack().await;
    let port = Port::reserve();
    let address = format!("127.0.0.1:{}", port.number());
    let project = stack.temp.project();
    let mut command = GatewayLaunch::new(&stack.temp.data_dir(), &project)
        .command()
        .to_vec();
    command.extend(["--metrics-listen".to_owned(), address.clone()]);
    let mut gateway = GatewayLaunch::of_command(command, &project).open().await;
    gateway.request("tools/list", json!({})).await.unwrap();
    gateway
        .call(
            "shim_auto_checkpoint",
            json!({"current_task": "t", "progress": 0.5}),
        )
        .await;
    gateway
        .call("shim_auto_checkpoint", json!({"progress": 7}))
        .await;
    gateway
        .request("tools/call", json!({"name": "made-up", "arguments": {}}))
        .await
        .unwrap_err();

    let scrape = Scrape::of(&address).await;
    scrape.assert_documented();
    let missing = scrape.missing(&["every process", "gateway"]);
    assert!(missing.is_empty(), "{missing:?}");
    let save = ("tool", "shim_auto_checkpoint");
    for (labels, times) in [
        ([save, ("outcome", "ok")].as_slice(), 1.0),
        (&[save, ("outcome", "error")], 1.0),
        (&[("method", "tools/list"), ("outcome", "ok")], 1.0),
        (&[("tool", ""), ("outcome", "refused")], 1.0),
        (&[("tool", "shim_worker_task")], 0.0),
    ] {
        assert_eq!(
            scrape.sum("shim_mcp_operations_total", labels),
            times,
            "{labels:?}"
        );
    }
    assert_eq!(
        scrape.sum("shim_mcp_operation_duration_seconds_count", &[save]),
        2.0
    );
    gateway.close().await;
}
