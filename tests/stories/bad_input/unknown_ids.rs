//! Ids of the right form that stand for nothing: NOT_FOUND, naming the id.

use serde_json::{Value, json};
use shim_redis_harness::Redis;
use shim_tests::calls::request_id;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tonic::Code;

use super::coordination;
use super::valid::Fixture;
use super::wire::Wire;

const IDS: [&str; 5] = [
    "session_id",
    "checkpoint_id",
    "from_checkpoint_id",
    "to_checkpoint_id",
    "restore_id",
];
/// A filter that matches nothing is no error.
const FILTERS: [&str; 1] = ["SearchCheckpoints"];

#[tokio::test]
async fn unknown_ids_are_not_found_by_name() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let wire = Wire::to(&service);
    let fixture = Fixture::make(&wire).await;
    let asked = assert_not_found(&wire, &IDS, &FILTERS, |method| fixture.request(method)).await;
    assert!(asked >= 14, "{asked}");
}

#[tokio::test]
async fn unknown_workers_and_tasks_are_not_found_by_name() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = Launch::coordination(&temp.data_dir(), &redis.url());
    let service = launch.start_or_panic().await;
    let wire = Wire::to_coordination(&service);
    let fixture = coordination::Fixture::make(&wire).await;
    let request = |method: &str| {
        let mut request = fixture.request(method);
        // An unknown job has no tasks to filter.
        if method == "ListTasks" {
            request["worker_id"] = json!("");
        }
        request
    };
    let ids = ["task_id", "root_id", "worker_id"];
    let asked = assert_not_found(&wire, &ids, &["RegisterWorker"], request).await;
    assert_eq!(asked, 10);
}

/// Calls every method with an unknown id, in each of its fields for an id; returns the number of calls.
pub(super) async fn assert_not_found(
    wire: &Wire,
    ids: &[&str],
    but_for: &[&str],
    valid: impl Fn(&str) -> Value,
) -> usize {
    let mut asked = 0;
    for method in wire.methods() {
        if but_for.contains(&method.name()) {
            continue;
        }
        let valid = valid(method.name());
        let is_id = |field: &&&str| valid[**field].as_str().is_some_and(|id| !id.is_empty());
        for field in ids.iter().filter(is_id) {
            let unknown = request_id();
            let mut request = valid.clone();
            request[*field] = json!(unknown);
            let refusal = wire
                .call(method.name(), &request)
                .await
                .expect_err("nobody has this id");
            let about = format!("{} {field}: {refusal:?}", method.name());
            assert_eq!(refusal.code, Code::NotFound, "{about}");
            assert!(
                refusal.reason.ends_with("_NOT_FOUND") && refusal.message.contains(&unknown),
                "{about}"
            );
            asked += 1;
        }
    }
    asked
}
