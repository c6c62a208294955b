//! A refused call leaves nothing behind in Redis: every kind of refusal of every mutation, also by a full Redis.

use std::collections::BTreeMap;
use std::future::Future;

use shim_proto::coordination::v1::*;
use shim_proto::limits::task::{MAX_CALLER_QUEUES, MAX_JOB_QUEUES};
use shim_redis_harness::{Redis, Reply};
use shim_runtime::service_error::decode;
use tonic::{Code, Response, Status};

use super::files::{acquire, acquire_request};
use super::registry::{leaving, register, registration};
use super::state::put;
use super::test_service::{TestService, id, object};

/// What loops of the service write by themselves: clocks, who leads, when it looked last, what was measured.
const BY_ITSELF: [&str; 10] = [
    "clock",
    "lock:supervisor",
    "lock:reaper",
    "lock-names",
    "lock-deadlines",
    "sweep",
    "queues-counted",
    "sizes",
    "usages",
    // Tasks that wait, by when they were looked for in BullMQ.
    "ready",
];

fn contents(redis: &Redis) -> BTreeMap<String, Reply> {
    let is_by_itself = |key: &str| {
        let in_own_slot = key.contains("{shim.tasks}:") || key.contains("{registry}:");
        let name = key.rsplit("}:").next().unwrap_or_default();
        let is_theirs = BY_ITSELF.contains(&name);
        in_own_slot && (is_theirs || name.starts_with("did:") || name.starts_with("seen:"))
    };
    let mut contents = redis.contents();
    contents.retain(|key, _| !is_by_itself(key));
    contents
}

pub(super) struct Refusals<'a> {
    redis: &'a Redis,
    before: BTreeMap<String, Reply>,
}

impl<'a> Refusals<'a> {
    pub(super) fn of(redis: &'a Redis) -> Self {
        let before = contents(redis);
        Self { redis, before }
    }

    /// Asserts that a call is refused for a reason and leaves nothing behind.
    pub(super) async fn leaves_nothing<T>(
        &self,
        reason: &str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) {
        let Err(status) = call.await else {
            panic!("{reason}: the call was let through");
        };
        assert_eq!(decode(&status).reason, reason, "{status}");
        assert_eq!(contents(self.redis), self.before, "{reason}: {status}");
    }
}

pub(super) fn needs(capability: &str) -> Option<Requirements> {
    Some(Requirements {
        capabilities: vec![capability.to_owned()],
        ..Requirements::default()
    })
}

pub(super) fn job(goal: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        request_id: id(),
        goal: goal.to_owned(),
        ..SubmitTaskRequest::default()
    }
}

pub(super) fn message(recipient: send_message_request::Recipient) -> SendMessageRequest {
    SendMessageRequest {
        request_id: id(),
        sender: "me".to_owned(),
        text: "hello".to_owned(),
        recipient: Some(recipient),
        ..SendMessageRequest::default()
    }
}

#[tokio::test]
async fn refused_writes_of_state_and_locks_leave_nothing() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let (state, locks) = (|| service.state.clone(), || service.locks.clone());
    state()
        .put_state(put("there", &[("a", "b")]))
        .await
        .unwrap();
    let lock = |owner: &str, name: &str| AcquireLockRequest {
        request_id: id(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        ..AcquireLockRequest::default()
    };
    let held = locks().acquire_lock(lock("ann", "held")).await.unwrap();
    let held = held.into_inner().lock.unwrap();
    acquire(
        &service,
        acquire_request("ann", FileLeaseMode::Exclusive, &["a.rs"]),
    )
    .await
    .unwrap();
    let refusals = Refusals::of(&redis);

    let elsewhere = "nowhere-yet".to_owned();
    let mismatch = PutStateRequest {
        expected_version: Some(1),
        namespace: elsewhere.clone(),
        ..put("new", &[("a", "b")])
    };
    refusals
        .leaves_nothing("VERSION_MISMATCH", state().put_state(mismatch))
        .await;
    let fenced = PutStateRequest {
        fence: Some(Fence {
            lock: "held".to_owned(),
            token: held.fencing_token + 1,
        }),
        ..put("new", &[("a", "b")])
    };
    refusals
        .leaves_nothing("STALE_FENCE", state().put_state(fenced))
        .await;
    let patch = PatchStateRequest {
        request_id: id(),
        namespace: elsewhere.clone(),
        key: "missing".to_owned(),
        set: Some(object(&[("a", "b")])),
        ..PatchStateRequest::default()
    };
    refusals
        .leaves_nothing("STATE_NOT_FOUND", state().patch_state(patch))
        .await;
    let delete = DeleteStateRequest {
        request_id: id(),
        key: "there".to_owned(),
        expected_version: Some(1),
        ..DeleteStateRequest::default()
    };
    refusals
        .leaves_nothing("VERSION_MISMATCH", state().delete_state(delete))
        .await;
    refusals
        .leaves_nothing("LOCK_HELD", locks().acquire_lock(lock("bob", "held")))
        .await;
    let renew = RenewLockRequest {
        name: "held".to_owned(),
        owner: "bob".to_owned(),
        fencing_token: held.fencing_token + 1,
        ..RenewLockRequest::default()
    };
    refusals
        .leaves_nothing("LOCK_LOST", locks().renew_lock(renew))
        .await;
    let release = ReleaseLockRequest {
        request_id: id(),
        name: "held".to_owned(),
        owner: "bob".to_owned(),
        fencing_token: held.fencing_token,
        ..ReleaseLockRequest::default()
    };
    refusals
        .leaves_nothing("LOCK_LOST", locks().release_lock(release))
        .await;
    let files = acquire_request("bob", FileLeaseMode::Exclusive, &["a.rs"]);
    refusals
        .leaves_nothing("FILES_HELD", locks().acquire_files(files))
        .await;
}

#[tokio::test]
async fn refused_messages_and_workers_leave_nothing() {
    use send_message_request::Recipient;
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let (bus, registry) = (|| service.bus.clone(), || service.registry.clone());
    let session = id();
    let worker = RegisterWorkerRequest {
        capabilities: vec!["rust".to_owned()],
        session_id: session.clone(),
        ..registration()
    };
    let worker = register(&service, worker).await;
    while bus()
        .send_message(message(Recipient::SessionId(session.clone())))
        .await
        .is_ok()
    {}
    let refusals = Refusals::of(&redis);
    let mut here = bus();
    refusals
        .leaves_nothing(
            "INBOX_FULL",
            here.send_message(message(Recipient::SessionId(session.clone()))),
        )
        .await;
    let to_all = message(Recipient::Capability("rust".to_owned()));
    refusals
        .leaves_nothing("INBOX_FULL", here.send_message(to_all.clone()))
        .await;
    let kept = redis.contents().into_keys();
    let of_request = kept.filter(|key| key.ends_with(&to_all.request_id));
    assert_eq!(of_request.count(), 0, "not even who it was for");
    refusals
        .leaves_nothing(
            "NO_RECIPIENTS",
            here.send_message(message(Recipient::Capability("go".to_owned()))),
        )
        .await;
    refusals
        .leaves_nothing(
            "WORKER_NOT_FOUND",
            here.send_message(message(Recipient::WorkerId(id()))),
        )
        .await;
    for name in ["shim", "Shim", " SHIM "] {
        let forged = SendMessageRequest {
            sender: name.to_owned(),
            ..message(Recipient::SessionId(id()))
        };
        refusals
            .leaves_nothing("BAD_REQUEST", here.send_message(forged))
            .await;
    }
    let beat = HeartbeatRequest {
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch + 1,
        ..HeartbeatRequest::default()
    };
    refusals
        .leaves_nothing("STALE_WORKER", registry().heartbeat(beat.clone()))
        .await;
    let unknown = HeartbeatRequest {
        worker_id: id(),
        ..beat
    };
    refusals
        .leaves_nothing("WORKER_NOT_FOUND", registry().heartbeat(unknown))
        .await;
    let stale = DeregisterWorkerRequest {
        epoch: worker.epoch + 1,
        ..leaving(&worker)
    };
    refusals
        .leaves_nothing("STALE_WORKER", registry().deregister_worker(stale))
        .await;
}

#[tokio::test]
async fn a_full_redis_writes_nothing_and_lets_room_be_made() {
    use send_message_request::Recipient;
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let session = id();
    let (state, locks) = (|| service.state.clone(), || service.locks.clone());
    let (bus, tasks) = (|| service.bus.clone(), || service.tasks.clone());
    state()
        .put_state(put("there", &[("a", "b")]))
        .await
        .unwrap();
    bus()
        .send_message(message(Recipient::SessionId(session.clone())))
        .await
        .unwrap();
    let submitted = tasks().submit_task(job("one")).await.unwrap().into_inner();
    let lock = |name: &str| AcquireLockRequest {
        request_id: id(),
        name: name.to_owned(),
        owner: "ann".to_owned(),
        ttl: super::test_service::span(3_600_000),
        ..AcquireLockRequest::default()
    };
    let held = locks()
        .acquire_lock(lock("held"))
        .await
        .unwrap()
        .into_inner()
        .lock
        .unwrap();
    acquire(
        &service,
        acquire_request("ann", FileLeaseMode::Exclusive, &["a.rs"]),
    )
    .await
    .unwrap();
    redis
        .command(&["CONFIG", "SET", "maxmemory", "1mb"])
        .unwrap();

    let refusals = Refusals::of(&redis);
    refusals
        .leaves_nothing("STORE_FULL", state().put_state(put("new", &[("a", "b")])))
        .await;
    let elsewhere = PutStateRequest {
        namespace: "elsewhere".to_owned(),
        ..put("new", &[("a", "b")])
    };
    refusals
        .leaves_nothing("STORE_FULL", state().put_state(elsewhere))
        .await;
    refusals
        .leaves_nothing(
            "STORE_FULL",
            bus().send_message(message(Recipient::SessionId(id()))),
        )
        .await;
    refusals
        .leaves_nothing("STORE_FULL", locks().acquire_lock(lock("new")))
        .await;
    let files = acquire_request("bob", FileLeaseMode::Exclusive, &["b.rs"]);
    refusals
        .leaves_nothing("STORE_FULL", locks().acquire_files(files))
        .await;
    let new_class = SubmitTaskRequest {
        requirements: needs("new"),
        ..job("two")
    };
    refusals
        .leaves_nothing("STORE_FULL", tasks().submit_task(new_class))
        .await;
    let mut registry = service.registry.clone();
    refusals
        .leaves_nothing("STORE_FULL", registry.register_worker(registration()))
        .await;
    let refused = state()
        .put_state(put("new", &[("a", "b")]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let remedy = decode(&refused).remedy.unwrap();
    assert!(
        remedy.contains("redis.maxmemory") && remedy.contains("shim state clear"),
        "{remedy}"
    );

    let delete = DeleteStateRequest {
        request_id: id(),
        key: "there".to_owned(),
        ..DeleteStateRequest::default()
    };
    assert!(
        state()
            .delete_state(delete)
            .await
            .unwrap()
            .into_inner()
            .existed
    );
    let release = ReleaseLockRequest {
        request_id: id(),
        name: "held".to_owned(),
        owner: "ann".to_owned(),
        fencing_token: held.fencing_token,
        ..ReleaseLockRequest::default()
    };
    assert!(
        locks()
            .release_lock(release)
            .await
            .unwrap()
            .into_inner()
            .was_held
    );
    assert_eq!(super::files::release(&service, "ann", &[]).await, 1);
    let got = super::inbox::receive(&service, super::inbox::receive_request(&session)).await;
    let ids = got
        .messages
        .iter()
        .map(|message| message.message_id.clone())
        .collect();
    assert_eq!(super::inbox::acknowledge(&service, &session, ids).await, 1);
    let cancel = CancelTaskRequest {
        request_id: id(),
        task_id: submitted.task.unwrap().task_id,
        ..CancelTaskRequest::default()
    };
    tasks().cancel_task(cancel).await.unwrap();
}
