//! A request of every RPC about tasks with nothing wrong in it: the ground the cases are patched onto.

use serde_json::{Value, json};
use shim_tests::calls::request_id;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

use crate::bad_input::wire::Wire;

const WORKSPACE: &str = "ground";

/// Jobs in the states that requests need.
#[derive(Debug, Clone)]
pub(crate) struct JobFixture {
    pub(crate) open: Value,
    awaiting: Value,
    cancelled: Value,
}

impl JobFixture {
    /// Submits them; no worker is there who could take one.
    pub(crate) async fn make(wire: &Wire) -> Self {
        let submit = async |mut job: Value| {
            job["request_id"] = json!(request_id());
            let submitted = wire.call("SubmitTask", &job).await.unwrap();
            submitted["task"]["task_id"].clone()
        };
        let gated = json!({"goal": "ask first", "approval": {"before_start": true}});
        let jobs = Self {
            open: submit(json!({"goal": "stay"})).await,
            awaiting: submit(gated).await,
            cancelled: submit(json!({"goal": "never mind"})).await,
        };
        let cancel = json!({"request_id": request_id(), "task_id": jobs.cancelled});
        wire.call("CancelTask", &cancel).await.unwrap();
        jobs
    }

    /// Their ids.
    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = [&self.open, &self.awaiting, &self.cancelled];
        ids.map(|id| id.as_str().unwrap().to_owned()).into()
    }

    /// The request of `method` without its request id.
    pub(crate) fn body(&self, method: &str) -> Value {
        match method {
            "SubmitTask" => job(),
            "GetTask" => json!({"task_id": self.open, "with_subtasks": true}),
            "ListTasks" => json!({
                "root_id": self.open, "states": ["TASK_STATE_READY"], "worker_id": "w", "page_size": 10,
            }),
            "WatchTask" => json!({"task_id": self.open, "after_cursor": ""}),
            "CancelTask" => json!({"task_id": self.open, "reason": "a case"}),
            "RetryTask" => json!({"task_id": self.cancelled}),
            "ApproveTask" => json!({"task_id": self.awaiting, "reject": false, "reason": "fine"}),
            "AggregateResults" => {
                json!({"task_id": self.open, "merge": "MERGE_STRATEGY_CONCATENATE"})
            }
            "QueueHealth" => json!({}),
            "PauseQueues" | "ResumeQueues" => json!({"queues": ["work"]}),
            "PruneTasks" => {
                json!({"older_than": "864000s", "dead_letters": true, "dry_run": false})
            }
            other => panic!("{other} has no valid request here: add one"),
        }
    }
}

/// A job with something in every field.
fn job() -> Value {
    let requirements = json!({"executor": "WORKER_KIND_AGENT", "capabilities": ["rust"]});
    json!({
        "goal": "write a parser", "kind": "code",
        "subtasks": [
            {
                "key": "lexer", "goal": "write the lexer", "kind": "code", "depends_on": [], "files": ["src/lexer.rs"],
                "requirements": requirements, "payload": {"a": 1}, "priority": 3, "weight": 2.0, "timeout": "60s",
                "max_budget": 1.5, "approval": {"before_start": true, "before_result": false},
            },
            {"key": "parser", "goal": "write the parser", "depends_on": ["lexer"]},
        ],
        "files": [{"path": "src/**", "size_bytes": 1000}], "steps": ["read the grammar"],
        "split": "SPLIT_POLICY_NEVER", "requirements": requirements, "payload": {"a": 1}, "priority": 7, "delay": "1s",
        "max_attempts": 2, "backoff": "1s", "timeout": "60s", "on_failure": "FAILURE_POLICY_CONTINUE",
        "merge": "MERGE_STRATEGY_FIRST", "strategy": "ASSIGNMENT_STRATEGY_ROUND_ROBIN",
        "approval": {"before_start": true, "before_result": true}, "workspace": WORKSPACE,
        "submitted_by": request_id(), "max_budget": 2.5,
    })
}

/// Tasks at work, a worker that has them, and one of the service's own.
#[derive(Debug, Clone)]
pub(crate) struct WorkFixture {
    worker_id: Value,
    epoch: Value,
    own_worker_id: Value,
    /// Each with its lease: one to report on, and one for each way to end.
    claims: [(Value, Value); 4],
}

impl WorkFixture {
    /// The stack, with a program that workers may be started of. The worker sends no heartbeats here.
    pub(crate) fn stack(temp: &TempEnv, redis_url: &str) -> Launch {
        let root = temp.project();
        Launch::stack(&temp.data_dir(), redis_url)
            .env("SHIM_REGISTRY_DEAD_AFTER", "1h")
            .env("SHIM_WORKER_ROOTS", &root.to_string_lossy())
            .env("SHIM_WORKER_EXECUTORS_SLEEPER_KIND", "command")
            .env("SHIM_WORKER_EXECUTORS_SLEEPER_PROGRAM", "sleep")
    }

    pub(crate) async fn make(submitter: &Wire, wire: &Wire) -> Self {
        let register = json!({
            "request_id": request_id(), "kind": "WORKER_KIND_AGENT", "capacity": 100,
        });
        let worker = submitter.call("RegisterWorker", &register).await.unwrap();
        let (worker_id, epoch) = (&worker["worker"]["worker_id"], &worker["worker"]["epoch"]);
        let mut claims = Vec::new();
        for _ in 0..4 {
            let job = json!({
                "request_id": request_id(), "goal": "work",
                "requirements": {"executor": "WORKER_KIND_AGENT"},
            });
            submitter.call("SubmitTask", &job).await.unwrap();
            let claim = json!({
                "request_id": request_id(), "worker_id": worker_id, "epoch": epoch, "wait": "10s",
            });
            let claimed = wire.call("ClaimTask", &claim).await.unwrap();
            claims.push((claimed["task"]["task_id"].clone(), claimed["lease"].clone()));
        }
        let start = json!({"request_id": request_id(), "executor": "sleeper"});
        let started = wire.call("StartWorker", &start).await.unwrap();
        Self {
            worker_id: worker_id.clone(),
            epoch: epoch.clone(),
            own_worker_id: started["worker"]["worker_id"].clone(),
            claims: claims.try_into().unwrap(),
        }
    }

    /// Ids that exist.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids = vec![self.worker_id.clone(), self.own_worker_id.clone()];
        ids.extend(self.claims.iter().map(|(task_id, _)| task_id.clone()));
        let texts = ids.iter().map(|id| id.as_str().unwrap().to_owned());
        texts.collect()
    }

    /// Its leases, and the epoch of its worker.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        let leases = self.claims.iter().map(|(_, lease)| lease);
        let tokens = leases.chain([&self.epoch]);
        tokens.map(|token| token.as_u64().unwrap()).collect()
    }

    /// The task that is reported on, and its lease.
    pub(crate) fn reported(&self) -> &(Value, Value) {
        &self.claims[0]
    }

    /// The request of `method`, each time with a fresh request id.
    pub(crate) fn request(&self, method: &str) -> Value {
        let mut request = self.body(method);
        if !["GetWorkerHealth", "ReportProgress"].contains(&method) {
            request["request_id"] = json!(request_id());
        }
        request
    }

    fn body(&self, method: &str) -> Value {
        let about = |(task_id, lease): &(Value, Value), mut more: Value| {
            more["task_id"] = task_id.clone();
            more["lease"] = lease.clone();
            more
        };
        let [report, complete, fail, release] = &self.claims;
        match method {
            "StartWorker" => json!({
                "executor": "sleeper", "name": "one more", "capabilities": ["sleep"], "capacity": 1,
            }),
            "DrainWorker" => json!({"worker_id": self.own_worker_id, "deadline": "1s"}),
            "StopWorker" | "GetWorkerHealth" => json!({"worker_id": self.own_worker_id}),
            "ClaimTask" => {
                json!({"worker_id": self.worker_id, "epoch": self.epoch, "wait": "0s"})
            }
            "ReportProgress" => about(
                report,
                json!({"progress": 0.5, "note": "half", "checkpoint_id": request_id(), "usage": usage()}),
            ),
            "CompleteTask" => about(
                complete,
                json!({"result": {"text": "done", "data": {"a": 1}, "artifacts": ["a.txt"]}, "usage": usage()}),
            ),
            "FailTask" => about(
                fail,
                json!({"error": {"reason": "NO_LUCK", "message": "none"}, "final": true, "usage": usage()}),
            ),
            "ReleaseTask" => about(release, json!({"reason": "not mine"})),
            other => panic!("{other} has no valid request here: add one"),
        }
    }
}

fn usage() -> Value {
    json!({"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.5})
}
