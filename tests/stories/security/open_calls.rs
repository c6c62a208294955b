//! Calls that are open when their token is taken away, ends or becomes too weak: they end, too, and say why. A gateway
//! that holds sessions goes on with the next token.

use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, GetSessionRequest, Heartbeat, ImportRequest, Session,
    SessionStatus,
};
use shim_proto::coordination::v1::watch_workers_response::Event as RegistryEvent;
use shim_proto::coordination::v1::{
    Requirements, SubscribeRequest, WatchStateRequest, WatchTaskRequest, WatchWorkersRequest,
    WatchWorkersResponse,
};
use shim_redis_harness::Redis;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::service_error::decode;
use shim_tests::calls;
use shim_tests::coordination::{CoordinationClients, NAMESPACE, inbox, lock, proto_duration};
use shim_tests::mcp::{GatewayLaunch, refusal, tool_output};
use shim_tests::service::Launch;
use shim_tests::tasks::{TaskClients, claim_request, job};
use shim_tests::temp_env::TempEnv;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status, Streaming};

use super::auth_client::{AuthClient, credentials, write_token_file};

const OURS: &str = "the-token-of-those-who-call";
const OTHER: &str = "the-token-of-somebody-else";
/// Far longer than it takes.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(25);

/// How each open call ended, with its name.
type Ends = JoinSet<(&'static str, Status)>;

/// What a stream ends with, whatever it says before.
pub(super) async fn end_of<T>(mut stream: Streaming<T>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok("the stream ended"),
            Err(status) => return status,
        }
    }
}

/// A stream that is open by now, to its end.
fn follow<T: Send + 'static>(ends: &mut Ends, name: &'static str, opened: Response<Streaming<T>>) {
    let stream = opened.into_inner();
    ends.spawn(async move { (name, end_of(stream).await) });
}

/// A call that waits for its answer.
fn wait<T>(
    ends: &mut Ends,
    name: &'static str,
    call: impl Future<Output = Result<T, Status>> + Send + 'static,
) {
    ends.spawn(async move { (name, call.await.err().unwrap_or(Status::ok("an answer"))) });
}

/// A client that shows the token in `file` beside the server's own.
fn client(auth_client: &AuthClient, folder: &Path, token: &str) -> Channel {
    let file = folder.join(token);
    std::fs::write(&file, token).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let shown = credentials(&[("auth.token_file", &file)]);
    connect(&auth_client.endpoint("http"), Some(&shown)).unwrap()
}

fn heartbeat() -> AttachSessionRequest {
    AttachSessionRequest {
        message: Some(Said::Heartbeat(Heartbeat::default())),
    }
}

fn attach(session: &Session) -> AttachSessionRequest {
    AttachSessionRequest {
        message: Some(Said::Attach(Attach {
            session_id: session.id.clone(),
            epoch: session.epoch,
            client: Some(calls::client_info()),
        })),
    }
}

/// Opens a call of each kind that lasts: those that wait for others first, so that they have begun when the streams are
/// open.
async fn open_all(channel: &Channel) -> Ends {
    let mut ends = Ends::new();
    let mut coordination = CoordinationClients::over(channel);
    let mut tasks = TaskClients::over(channel);
    let mut checkpoints = CheckpointServiceClient::new(channel.clone());

    let worker = tasks.register("hand", 1).await.unwrap();
    let granted = coordination.lock(lock("door", "one", LONG * 2)).await;
    granted.unwrap();
    let (mut claimer, claim) = (tasks.clone(), claim_request(&worker, LONG));
    wait(&mut ends, "ClaimTask", async move {
        claimer.claim_as(claim).await
    });
    let (mut other, mut request) = (coordination.clone(), lock("door", "two", LONG));
    request.wait = proto_duration(LONG);
    wait(&mut ends, "AcquireLock", async move {
        other.lock(request).await
    });
    let (mut other, mut request) = (coordination.clone(), inbox(&calls::request_id()));
    request.wait = proto_duration(LONG);
    wait(&mut ends, "ReceiveMessages", async move {
        other.receive(request).await
    });
    let (records, nothing) = mpsc::channel::<ImportRequest>(1);
    let mut importer = checkpoints.clone();
    wait(&mut ends, "Import", async move {
        let imported = importer.import(ReceiverStream::new(nothing)).await;
        drop(records);
        imported
    });

    let mut unclaimable = job("nobody can do it");
    unclaimable.requirements = Some(Requirements {
        capabilities: vec!["wings".into()],
        ..Default::default()
    });
    let task = tasks.submit(unclaimable).await.unwrap().task;
    let request = WatchTaskRequest {
        task_id: task.unwrap().task_id,
        after_cursor: String::new(),
    };
    follow(
        &mut ends,
        "WatchTask",
        tasks.jobs.watch_task(request).await.unwrap(),
    );
    let request = WatchStateRequest {
        namespace: NAMESPACE.into(),
        ..Default::default()
    };
    follow(
        &mut ends,
        "WatchState",
        coordination.state.watch_state(request).await.unwrap(),
    );
    let request = WatchWorkersRequest::default();
    let watched = coordination.registry.watch_workers(request).await.unwrap();
    follow(&mut ends, "WatchWorkers", watched);
    let request = SubscribeRequest {
        channels: vec!["news".into()],
        ..Default::default()
    };
    follow(
        &mut ends,
        "Subscribe",
        coordination.bus.subscribe(request).await.unwrap(),
    );

    let session = calls::open(&mut checkpoints, "/project").await.unwrap();
    let (said, outgoing) = mpsc::channel(1);
    said.send(attach(&session)).await.unwrap();
    let attached = checkpoints
        .attach_session(ReceiverStream::new(outgoing))
        .await
        .unwrap();
    let mut attached = attached.into_inner();
    attached.message().await.unwrap().unwrap();
    ends.spawn(async move {
        let end = end_of(attached).await;
        drop(said);
        ("AttachSession", end)
    });
    ends
}

/// A stack that asks for tokens, with `content` in its file.
async fn stack(temp: &TempEnv, redis: &Redis, content: &str) -> AuthClient {
    let file = write_token_file(temp.root(), content);
    let launch = Launch::stack(&temp.data_dir(), &redis.url())
        .env("SHIM_AUTH_TOKEN_FILE", &file.display().to_string())
        .env("SHIM_REGISTRY_DEAD_AFTER", "60s");
    AuthClient::start(launch).await
}

/// Waits until every call has ended, and checks how; `words` are those of a call that had been let in.
async fn all_end(mut ends: Ends, reason: &str, words: &str) {
    let mut count = 0;
    let all = async {
        while let Some(ended) = ends.join_next().await {
            let (name, status) = ended.unwrap();
            let received = decode(&status);
            assert_eq!(received.code, Code::Unauthenticated, "{name}: {status}");
            assert_eq!(received.reason, reason, "{name}: {status}");
            assert!(received.message.contains(words), "{name}: {status}");
            assert!(received.remedy.is_some(), "{name}: {status}");
            count += 1;
        }
    };
    let ended = tokio::time::timeout(TIMEOUT, all).await;
    ended.expect("every open call ends");
    assert_eq!(count, 9);
}

/// Reads until a change of this worker is told.
async fn wait_for_worker(worker_events: &mut Streaming<WatchWorkersResponse>, worker_id: &str) {
    loop {
        let received = worker_events
            .message()
            .await
            .unwrap()
            .expect("the stream goes on");
        if let Some(RegistryEvent::Changed(change)) = received.event
            && change.worker.is_some_and(|who| who.worker_id == worker_id)
        {
            return;
        }
    }
}

#[tokio::test]
async fn every_open_call_ends_when_its_token_is_taken_away_and_no_other_does() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let auth_client = stack(&temp, &redis, &format!("{OURS}\n{OTHER}\n")).await;
    let ends = open_all(&client(&auth_client, temp.root(), OURS)).await;
    let others = client(&auth_client, temp.root(), OTHER);
    let mut other = CoordinationClients::over(&others);
    let request = WatchWorkersRequest::default();
    let watched = other.registry.watch_workers(request).await.unwrap();
    let mut stays = watched.into_inner();

    write_token_file(temp.root(), &format!("{OTHER}\n"));
    all_end(ends, "TOKEN_REFUSED", "that the call began with").await;

    let late = TaskClients::over(&others)
        .register("late", 1)
        .await
        .unwrap();
    tokio::time::timeout(TIMEOUT, wait_for_worker(&mut stays, &late.worker_id))
        .await
        .expect("the stream tells of who came after");
}

#[tokio::test]
async fn every_open_call_ends_when_its_token_expires() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let auth_client = stack(&temp, &redis, OURS).await;
    let ends = open_all(&client(&auth_client, temp.root(), OURS)).await;
    // In whole seconds, and thus between one and two from now.
    let until = SystemTime::now() + Duration::from_secs(2);
    let until = humantime::format_rfc3339_seconds(until);
    write_token_file(temp.root(), &format!("{OURS} until={until}\n"));
    all_end(ends, "TOKEN_EXPIRED", "until a time that has passed").await;
}

#[tokio::test]
async fn an_open_call_for_which_the_role_is_too_weak_now_ends() {
    let temp = TempEnv::new();
    let file = write_token_file(temp.root(), OURS);
    let launch = Launch::checkpoint(&temp.data_dir())
        .env("SHIM_AUTH_TOKEN_FILE", &file.display().to_string())
        .env("SHIM_CHECKPOINT_LEASE", "3s");
    let auth_client = AuthClient::start(launch).await;
    let mut checkpoints = CheckpointServiceClient::new(client(&auth_client, temp.root(), OURS));
    let session = calls::open(&mut checkpoints, "/project").await.unwrap();
    let (said, outgoing) = mpsc::channel(1);
    said.send(attach(&session)).await.unwrap();
    let attached = checkpoints
        .attach_session(ReceiverStream::new(outgoing))
        .await
        .unwrap();
    write_token_file(temp.root(), &format!("{OURS} role=read\n"));
    // Until then its lease must not run out.
    let beating = async {
        while said.send(heartbeat()).await.is_ok() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        pending::<Infallible>().await
    };
    let end = tokio::select! {
        end = end_of(attached.into_inner()) => end,
        never = beating => match never {},
    };
    assert_eq!(end.code(), Code::PermissionDenied);
    assert_eq!(decode(&end).reason, "ROLE_REFUSED");
    // A client that goes on talking keeps nothing by it: the lease runs out.
    until(
        &mut checkpoints,
        &session.id,
        SessionStatus::Interrupted,
        async || {
            let _ = said.send(heartbeat()).await;
        },
    )
    .await;
}

/// Waits until a session has come to this, with something done in the meantime.
async fn until(
    client: &mut CheckpointServiceClient<Channel>,
    session_id: &str,
    wanted: SessionStatus,
    meanwhile: impl AsyncFn(),
) {
    let began = Instant::now();
    loop {
        meanwhile().await;
        let asked = GetSessionRequest {
            session_id: session_id.to_owned(),
        };
        let answer = client.get_session(asked).await.unwrap().into_inner();
        let status = answer.session.unwrap().status();
        if status == wanted {
            return;
        }
        assert!(began.elapsed() < TIMEOUT, "it stays {status:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Saves until it is saved, or until it is refused with `reason`.
async fn save_until(
    gateway: &mut shim_tests::mcp::Gateway,
    reason: Option<&str>,
) -> serde_json::Value {
    let began = Instant::now();
    loop {
        let arguments = json!({"current_task": "rotate", "progress": 0.5});
        let answer = gateway.call("shim_auto_checkpoint", arguments).await;
        let refused = (answer["isError"] == true).then(|| refusal(&answer));
        match (reason, refused) {
            (None, None) => return tool_output(answer),
            (Some(wanted), Some(received)) if received == wanted => return answer,
            (_, received) => assert!(
                began.elapsed() < TIMEOUT,
                "{received:?} instead of {reason:?}"
            ),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn a_gateway_whose_token_was_taken_away_says_so_and_goes_on_with_the_next_one() {
    let temp = TempEnv::new();
    let server_file = write_token_file(temp.root(), &format!("{OURS}\n{OTHER}\n"));
    let launch = Launch::checkpoint(&temp.data_dir());
    let service = launch
        .env("SHIM_AUTH_TOKEN_FILE", &server_file.display().to_string())
        // A gateway beats every five seconds.
        .env("SHIM_CHECKPOINT_LEASE", "6s")
        .start_or_panic()
        .await;
    let own = temp.root().join("own");
    std::fs::create_dir(&own).unwrap();
    let own_file = write_token_file(&own, OURS);
    let mut gateway = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .with_service(service.socket())
        .with_env("SHIM_AUTH_TOKEN_FILE", &own_file.display().to_string())
        .open()
        .await;
    let saved = save_until(&mut gateway, None).await;

    write_token_file(temp.root(), &format!("{OTHER}\n"));
    let refused = save_until(&mut gateway, Some("TOKEN_REFUSED")).await;
    let next_step = refused["structuredContent"]["error"]["next_step"].as_str();
    assert!(
        next_step.is_some_and(|step| step.contains("token")),
        "{refused}"
    );

    let shown = credentials(&[("auth.token_file", &server_file)]);
    let socket = Endpoint::Unix(service.socket().to_path_buf());
    let mut client = CheckpointServiceClient::new(connect(&socket, Some(&shown)).unwrap());
    let session_id = saved["session_id"].as_str().unwrap();
    until(
        &mut client,
        session_id,
        SessionStatus::Interrupted,
        async || {},
    )
    .await;

    write_token_file(&own, OTHER);
    // The client attaches its session again by itself.
    until(&mut client, session_id, SessionStatus::Active, async || {}).await;
    let went_on = save_until(&mut gateway, None).await;
    assert_eq!(went_on["session_id"], saved["session_id"]);
    gateway.close().await;
}
