//! A Python client that learns the contract by reflection, as grpcurl does.

use serde_json::{Value, json};
use shim_tests::python;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;

#[tokio::test]
async fn a_client_with_nothing_but_reflection_saves_lists_and_restores() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let address = format!("unix:{}", service.socket().display());
    let seen = python::run("reflection_client.py", &[&address]).await;

    assert_eq!(seen["health"], "SERVING");
    let services = seen["services"].as_array().unwrap();
    for name in [
        "shim.checkpoint.v1.CheckpointService",
        "shim.checkpoint.v1.SignalService",
    ] {
        assert!(services.contains(&json!(name)), "{services:?}");
    }
    // uint64 is a string in proto's JSON.
    let numbers = |list: &Value| -> Vec<Value> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|checkpoint| checkpoint["number"].clone())
            .collect()
    };
    assert_eq!(numbers(&seen["saved"]), ["1", "2"]);
    assert_eq!(numbers(&seen["listed"]), ["2", "1"]);
    assert_eq!(seen["content"]["current_task"], "task 1");
    assert_eq!(
        seen["content"]["custom"],
        json!({"from": "python", "nested": [1.0, null, {"deep": true}]})
    );

    let restored = &seen["restored"];
    assert_eq!(restored["session"]["id"], seen["session"]["id"]);
    assert_eq!(restored["session"]["epoch"], "2");
    assert_eq!(restored["checkpoint"]["number"], "2");
    assert!(
        restored["resume_prompt"]
            .as_str()
            .unwrap()
            .contains("task 2")
    );
    assert_eq!(seen["stale"]["code"], "FAILED_PRECONDITION");
    assert_eq!(seen["stale"]["reason"], "STALE_OWNER");
}
