//! Every RPC once: the short story that must come out the same on every kind of Redis.

mod stream;
mod workers;

use std::time::Duration;

use prost_types::Struct;
use shim_proto::coordination::v1::subscribe_response::Event as SubscriptionEvent;
use shim_proto::coordination::v1::watch_state_response::Event as StateEvent;
use shim_proto::coordination::v1::{
    AckMessagesRequest, DeleteStateRequest, GetLockRequest,
    ListFilesRequest, ListLocksRequest, ListStateRequest, PatchStateRequest, PublishRequest, ReleaseFilesRequest, RenewFilesRequest, StateChangeKind, SubscribeRequest, WatchStateRequest, WatchStateResponse, };
use shim_tests::calls::request_id;
use shim_tests::coordination::{
    CoordinationClients, NAMESPACE, count, counted, fence, files, inbox, lock, message, put,
    reason, renew_request,
};
use tonic::Streaming;

use stream::next;

const LONG: Duration = Duration::from_secs(60);

/// Plays the whole story.
pub(super) async fn run(clients: &mut CoordinationClients) {
    state(clients).await;
    locks(clients).await;
    leases(clients).await;
    publications(clients).await;
    messages(clients).await;
    workers::workers(clients).await;
}

async fn changed(watch: &mut Streaming<WatchStateResponse>) -> (StateChangeKind, String, u64) {
    match next(watch).await.event {
        Some(StateEvent::Changed(change)) => (change.kind(), change.key, change.version),
        other => panic!("not a change: {other:?}"),
    }
}

async fn state(clients: &mut CoordinationClients) {
    let key = "entry";
    let watch = WatchStateRequest {
        namespace: NAMESPACE.into(),
        key_prefix: key.into(),
        after_version: 0,
    };
    let mut watch = clients.state.watch_state(watch).await.unwrap().into_inner();
    assert!(matches!(
        next(&mut watch).await.event,
        Some(StateEvent::Synced(_))
    ));

    let first = clients.put(put(key, counted(1), Some(0))).await.unwrap();
    assert_eq!(
        changed(&mut watch).await,
        (StateChangeKind::Put, key.into(), first)
    );
    let refusal = clients
        .put(put(key, counted(9), Some(first + 1)))
        .await
        .expect_err("another version");
    assert_eq!(reason(&refusal), "VERSION_MISMATCH");
    assert!(refusal.message().contains(&first.to_string()), "{refusal}");

    let mut set = counted(2).fields;
    set.extend(
        counted(3)
            .fields
            .into_values()
            .map(|value| ("m".to_owned(), value)),
    );
    let patch = PatchStateRequest {
        request_id: request_id(),
        namespace: NAMESPACE.into(),
        key: key.into(),
        set: Some(Struct { fields: set }),
        ..Default::default()
    };
    let second = clients
        .state
        .patch_state(patch.clone())
        .await
        .unwrap()
        .into_inner()
        .version;
    let again = clients
        .state
        .patch_state(patch)
        .await
        .unwrap()
        .into_inner()
        .version;
    assert!(second > first && again == second, "one request, one effect");
    assert_eq!(
        changed(&mut watch).await,
        (StateChangeKind::Patched, key.into(), second)
    );
    let entry = clients.get(NAMESPACE, key).await.unwrap();
    assert_eq!((count(&entry), entry.version), (Some(2), second));
    assert_eq!(entry.value.unwrap().fields.len(), 2);

    let list = ListStateRequest {
        namespace: NAMESPACE.into(),
        key_prefix: key.into(),
        ..Default::default()
    };
    let listed = clients.state.list_state(list).await.unwrap().into_inner();
    assert_eq!(listed.entries.len(), 1);
    let delete = DeleteStateRequest {
        request_id: request_id(),
        namespace: NAMESPACE.into(),
        key: key.into(),
        expected_version: Some(second),
        fence: None,
    };
    assert!(
        clients
            .state
            .delete_state(delete)
            .await
            .unwrap()
            .into_inner()
            .existed
    );
    let (kind, _, third) = changed(&mut watch).await;
    assert!(kind == StateChangeKind::Deleted && third > second);
    let gone = clients
        .get(NAMESPACE, key)
        .await
        .expect_err("it is deleted");
    assert_eq!(reason(&gone), "STATE_NOT_FOUND");
}

async fn locks(clients: &mut CoordinationClients) {
    let granted = clients.lock(lock("deploy", "me", LONG)).await.unwrap();
    let refusal = clients
        .lock(lock("deploy", "you", LONG))
        .await
        .expect_err("it is held");
    assert_eq!(reason(&refusal), "LOCK_HELD");
    assert!(refusal.message().contains("me"), "{refusal}");
    clients
        .locks
        .renew_lock(renew_request(&granted, 2 * LONG))
        .await
        .unwrap();

    let mut guarded = put("guarded", counted(1), None);
    guarded.fence = Some(fence(&granted));
    clients.put(guarded.clone()).await.unwrap();
    let get = GetLockRequest {
        namespace: NAMESPACE.into(),
        name: "deploy".into(),
    };
    let seen = clients
        .locks
        .get_lock(get.clone())
        .await
        .unwrap()
        .into_inner()
        .lock;
    assert_eq!(seen.unwrap().fencing_token, granted.fencing_token);
    let list = ListLocksRequest {
        namespace: NAMESPACE.into(),
        ..Default::default()
    };
    let listed = clients
        .locks
        .list_locks(list)
        .await
        .unwrap()
        .into_inner()
        .locks;
    assert_eq!(listed.len(), 1, "{listed:?}");

    assert!(clients.unlock(&granted).await.unwrap());
    assert!(!clients.unlock(&granted).await.unwrap());
    guarded.request_id = request_id();
    let refusal = clients.put(guarded).await.expect_err("the lock is gone");
    assert_eq!(reason(&refusal), "STALE_FENCE");
    let refusal = clients
        .locks
        .renew_lock(renew_request(&granted, LONG))
        .await
        .expect_err("it is gone");
    assert_eq!(reason(&refusal), "LOCK_LOST");
    assert!(
        clients
            .locks
            .get_lock(get)
            .await
            .unwrap()
            .into_inner()
            .lock
            .is_none()
    );
    let next = clients.lock(lock("deploy", "you", LONG)).await.unwrap();
    assert!(next.fencing_token > granted.fencing_token);
    clients.unlock(&next).await.unwrap();
}

async fn leases(clients: &mut CoordinationClients) {
    let lease = clients
        .lease(files("me", &["src/**", "docs/*.md"]))
        .await
        .unwrap();
    let refusal = clients
        .lease(files("you", &["src/main.rs"]))
        .await
        .expect_err("it is leased");
    assert_eq!(reason(&refusal), "FILES_HELD");
    assert!(refusal.message().contains("src/**"), "{refusal}");
    let beside = clients.lease(files("you", &["tests/*.rs"])).await.unwrap();
    let renew = RenewFilesRequest {
        workspace: NAMESPACE.into(),
        lease_id: lease.lease_id.clone(),
        holder: "me".into(),
        ttl: None,
    };
    clients.locks.renew_files(renew).await.unwrap();
    let list = ListFilesRequest {
        workspace: NAMESPACE.into(),
        paths: vec!["src/lib.rs".into()],
        ..Default::default()
    };
    let listed = clients
        .locks
        .list_files(list)
        .await
        .unwrap()
        .into_inner()
        .leases;
    assert_eq!(listed.len(), 1, "{listed:?}");
    for (holder, lease) in [("me", lease), ("you", beside)] {
        let release = ReleaseFilesRequest {
            request_id: request_id(),
            workspace: NAMESPACE.into(),
            holder: holder.into(),
            lease_ids: vec![lease.lease_id],
        };
        let released = clients.locks.release_files(release).await.unwrap();
        assert_eq!(released.into_inner().released, 1);
    }
}

async fn publications(clients: &mut CoordinationClients) {
    let subscribe = SubscribeRequest {
        channels: vec!["news".into()],
        patterns: vec!["weather:*".into()],
    };
    let mut stream = clients.bus.subscribe(subscribe).await.unwrap().into_inner();
    assert!(matches!(
        next(&mut stream).await.event,
        Some(SubscriptionEvent::Subscribed(_))
    ));
    for channel in ["news", "elsewhere", "weather:here"] {
        let publish = PublishRequest {
            request_id: request_id(),
            channel: channel.into(),
            payload: Some(counted(7)),
            publisher: "me".into(),
        };
        clients.bus.publish(publish).await.unwrap();
    }
    for expected in ["news", "weather:here"] {
        match next(&mut stream).await.event {
            Some(SubscriptionEvent::News(news)) => {
                assert_eq!(
                    (news.channel.as_str(), news.payload),
                    (expected, Some(counted(7)))
                );
            }
            other => panic!("not news: {other:?}"),
        }
    }
}

async fn messages(clients: &mut CoordinationClients) {
    let session = request_id();
    let first = message(&session, "hello");
    assert_eq!(clients.send(first.clone()).await.unwrap(), 1);
    assert_eq!(
        clients.send(first).await.unwrap(),
        1,
        "one request, one effect"
    );
    clients.send(message(&session, "again")).await.unwrap();
    let taken = clients.receive(inbox(&session)).await.unwrap();
    let texts: Vec<_> = taken.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["hello", "again"]);
    assert!(
        clients.receive(inbox(&session)).await.unwrap().is_empty(),
        "given out already"
    );
    let ack = AckMessagesRequest {
        inbox: session,
        message_ids: taken
            .into_iter()
            .map(|message| message.message_id)
            .collect(),
    };
    let acknowledged = clients.bus.ack_messages(ack).await.unwrap();
    assert_eq!(acknowledged.into_inner().acknowledged, 2);
}
