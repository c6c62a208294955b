//! One wrong field at a time in an otherwise good request: the answer names that field and, where there is one, the
//! limit.

use serde_json::json;
use shim_redis_harness::Redis;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

use super::{Fixture, field_cases, streams};
use crate::bad_input::cases::{Cases, MEMORY_LIMIT, assert_all_refused};
use crate::bad_input::tasks;
use crate::bad_input::wire::Wire;

#[tokio::test]
async fn every_wrong_field_of_coordination_is_refused_by_name() {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let service = Launch::coordination(&temp.data_dir(), &redis.url())
        .start_or_panic()
        .await;
    let wire = Wire::to_coordination(&service);
    let fixture = Fixture::make(&wire).await;
    let mut cases = Cases::default();
    for add in [field_cases::add, streams::cases, tasks::add_job_cases] {
        add(&mut cases);
    }
    assert_all_refused(&wire, &cases, |method| fixture.request(method)).await;

    assert!(service.is_healthy().await);
    let resident = service.resident_bytes();
    assert!(resident < MEMORY_LIMIT, "memory: {resident}");
    let entry = wire.call("GetState", &fixture.request("GetState")).await;
    assert_eq!(
        entry.unwrap()["entry"]["value"],
        json!({"a": 1.0, "b": [true, null]}),
        "nothing refused was written"
    );
}

#[tokio::test]
async fn every_good_request_is_accepted() {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let service = Launch::coordination(&temp.data_dir(), &redis.url())
        .start_or_panic()
        .await;
    let wire = Wire::to_coordination(&service);
    let fixture = Fixture::make(&wire).await;
    let mut wrong = Vec::new();
    // What ends things comes last.
    let mut methods: Vec<_> = wire
        .methods()
        .iter()
        .map(|method| method.name().to_owned())
        .collect();
    methods.sort_by_key(|name| {
        ["Delete", "Release", "Deregister"]
            .iter()
            .any(|end| name.starts_with(end))
    });
    for method in methods {
        if let Err(refusal) = wire.call(&method, &fixture.request(&method)).await {
            wrong.push(format!("{method}: {refusal}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
