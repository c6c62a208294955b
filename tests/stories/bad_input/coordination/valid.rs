//! A request of every unary RPC with nothing wrong in it: the ground the cases are patched onto.

use serde_json::{Value, json};
use shim_tests::calls::request_id;
use shim_tests::coordination::NAMESPACE;

use crate::bad_input::tasks::JobFixture;
use crate::bad_input::wire::Wire;

/// Where the subject's own files lie, so that requests for other files do not meet them.
const WORKSPACE: &str = "ground";
const OWNER: &str = "the ground";

/// An entry, a lock, a lease, a message, a worker and jobs, to be named in requests.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    lock_token: Value,
    lease_id: Value,
    inbox: String,
    message_id: Value,
    worker_id: Value,
    epoch: Value,
    jobs: JobFixture,
}

impl Fixture {
    pub(crate) async fn make(wire: &Wire) -> Self {
        let inbox = request_id();
        let call = async |method: &str, mut request: Value| {
            request["request_id"] = json!(request_id());
            wire.call(method, &request).await.unwrap()
        };
        call("PutState", entry()).await;
        let mut lock = lock("held");
        lock["ttl"] = json!("3600s");
        let lock = call("AcquireLock", lock).await;
        let lease = call("AcquireFiles", files("src/**")).await;
        call(
            "SendMessage",
            json!({"session_id": inbox, "sender": OWNER, "text": "hello"}),
        )
        .await;
        let received = wire
            .call("ReceiveMessages", &json!({"inbox": inbox}))
            .await
            .unwrap();
        let worker = call("RegisterWorker", worker()).await;
        Self {
            lock_token: lock["lock"]["fencing_token"].clone(),
            lease_id: lease["lease"]["lease_id"].clone(),
            inbox,
            message_id: received["messages"][0]["message_id"].clone(),
            worker_id: worker["worker"]["worker_id"].clone(),
            epoch: worker["worker"]["epoch"].clone(),
            jobs: JobFixture::make(wire).await,
        }
    }

    /// Ids that exist.
    pub(crate) fn ids(&self) -> Vec<String> {
        let Self {
            lease_id,
            message_id,
            worker_id,
            ..
        } = self;
        let named = [lease_id, message_id, worker_id];
        let mut ids: Vec<_> = named.map(|id| id.as_str().unwrap().to_owned()).into();
        ids.push(self.inbox.clone());
        ids.extend(self.jobs.ids());
        ids
    }

    /// The request of `method`, each time with a fresh request id.
    pub(crate) fn request(&self, method: &str) -> Value {
        let mut request = self.body(method);
        if super::field_cases::MUTATIONS.contains(&method) {
            request["request_id"] = json!(request_id());
        }
        request
    }

    fn body(&self, method: &str) -> Value {
        match method {
            "GetState" | "DeleteState" => json!({"namespace": NAMESPACE, "key": "entry"}),
            "PutState" => entry(),
            "PatchState" => {
                json!({"namespace": NAMESPACE, "key": "entry", "set": {"a": 2}, "remove": ["b"]})
            }
            "ListState" => json!({"namespace": NAMESPACE, "key_prefix": "e", "page_size": 10}),
            "AcquireLock" => lock("free"),
            "RenewLock" => json!({
                "namespace": NAMESPACE, "name": "held", "owner": OWNER, "fencing_token": self.lock_token, "ttl": "3600s",
            }),
            "ReleaseLock" => json!({
                "namespace": NAMESPACE, "name": "held", "owner": OWNER, "fencing_token": self.lock_token,
            }),
            "GetLock" => json!({"namespace": NAMESPACE, "name": "held"}),
            "ListLocks" => json!({"namespace": NAMESPACE, "page_size": 10}),
            "AcquireFiles" => files("docs/*.md"),
            "RenewFiles" => json!({
                "workspace": WORKSPACE, "lease_id": self.lease_id, "holder": OWNER, "ttl": "3600s",
            }),
            "ReleaseFiles" => {
                json!({"workspace": WORKSPACE, "holder": OWNER, "lease_ids": [self.lease_id]})
            }
            "ListFiles" => json!({"workspace": WORKSPACE, "paths": ["src/a.rs"], "holder": OWNER}),
            "Publish" => json!({"channel": "news", "payload": {"a": 1}, "publisher": OWNER}),
            "SendMessage" => {
                json!({"session_id": self.inbox, "sender": OWNER, "text": "hello", "data": {"a": 1}})
            }
            "ReceiveMessages" => {
                json!({"inbox": self.inbox, "max_messages": 10, "visibility": "30s"})
            }
            "AckMessages" => json!({"inbox": self.inbox, "message_ids": [self.message_id]}),
            "RegisterWorker" => worker(),
            "Heartbeat" => json!({"worker_id": self.worker_id, "epoch": self.epoch, "running": 0}),
            "DeregisterWorker" => {
                json!({"worker_id": self.worker_id, "epoch": self.epoch, "reason": "done"})
            }
            "GetWorker" => json!({"worker_id": self.worker_id}),
            "ListWorkers" => json!({"capability": "rust", "page_size": 10}),
            "Subscribe" => json!({"channels": ["news"], "patterns": ["state:*"]}),
            "WatchState" => json!({"namespace": NAMESPACE, "key_prefix": "e"}),
            "WatchWorkers" => json!({}),
            of_tasks => self.jobs.body(of_tasks),
        }
    }
}

fn entry() -> Value {
    json!({"namespace": NAMESPACE, "key": "entry", "value": {"a": 1, "b": [true, null]}, "ttl": "3600s", "writer": OWNER})
}

fn lock(name: &str) -> Value {
    json!({"namespace": NAMESPACE, "name": name, "owner": OWNER, "purpose": "a story", "ttl": "0.200s"})
}

fn files(pattern: &str) -> Value {
    json!({
        "workspace": WORKSPACE, "holder": OWNER, "purpose": "a story", "patterns": [pattern],
        "mode": "FILE_LEASE_MODE_SHARED", "ttl": "3600s",
    })
}

fn worker() -> Value {
    json!({
        "name": "a worker", "kind": "WORKER_KIND_AGENT", "capabilities": ["rust"], "capacity": 2, "node": "here",
        "version": "1",
    })
}
