//! The stages of work on code, below the attempt at its task and below its call.

use serde_json::json;
use shim_proto::coordination::v1::{SubmitTaskRequest, TaskState};
use shim_runtime::free_form;
use tonic::Request;

use super::collector::Collector;
use super::test_stack::with_collector;
use super::{TRACE_ID, assert_is_whole, client_context};
use crate::code::CodeEnv;

const STAGES: [&str; 4] = ["find files", "lint", "first picture", "check types"];

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_as_a_task_shows_its_stages_below_its_attempt() {
    let collector = Collector::start().await;
    let mut env = CodeEnv::with(|_, launch| with_collector(launch, &collector)).await;
    let payload = json!({"path": env.root()});
    let mut submit = Request::new(SubmitTaskRequest {
        request_id: "traced".to_owned(),
        goal: "look".to_owned(),
        kind: "analyze".to_owned(),
        payload: free_form::from_json(payload.as_object().unwrap()),
        ..SubmitTaskRequest::default()
    });
    let context = client_context().parse().unwrap();
    submit.metadata_mut().insert("traceparent", context);
    let mut tasks = env.service.tasks();
    let submitted = tasks.jobs.submit_task(submit).await.unwrap().into_inner();
    let job = submitted.task.unwrap().task_id;
    let ended = tasks.wait_for_end(&job).await.unwrap();
    assert_eq!(ended.state(), TaskState::Completed);
    env.service.stop();

    let trace = collector.trace(TRACE_ID, &STAGES).await;
    assert_is_whole(&trace);
    for stage in STAGES {
        let span = trace.only("shim-up", stage);
        let above = trace.ancestors(span);
        let names: Vec<&str> = above.iter().map(|(_, name)| *name).collect();
        assert_eq!(
            names[..3],
            [stage, "process work", "send work"],
            "{names:?}"
        );
        assert!(!span.is_error);
        // Nothing says whose project it is.
        let told = format!("{:?}", span.attributes);
        assert!(!told.contains("ranges"), "{told}");
    }
}
