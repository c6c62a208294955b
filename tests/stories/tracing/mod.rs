//! One trace from the tool call to the program and back, through every process, as a collector receives it.

mod code;
mod collector;
mod dead_collector;
mod test_stack;

use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::ListSessionsRequest;
use shim_proto::coordination::v1::{Task, TaskState};
use shim_runtime::trace::{self, TraceContext};
use shim_tests::service::Launch;
use shim_tests::tasks::PREFIX;
use shim_tests::temp_env::TempEnv;

use collector::{Collector, Trace};
use test_stack::{TestStack, call, submit, with_collector};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";
const TOOL: &str = "tools/call shim_coordinate_task";
const SUBMIT: &str = "shim.coordination.v1.TaskService/SubmitTask";
const SAVE: &str = "shim.checkpoint.v1.CheckpointService/SaveCheckpoint";

const CLAIM_WITHIN: Duration = Duration::from_secs(20);

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

fn client_context() -> String {
    format!("00-{TRACE_ID}-{CLIENT_SPAN}-01")
}

/// The spans above and including a worker's attempt, up to the client.
const EXPECTED_ANCESTORS: [(&str, &str); 5] = [
    ("shim-worker", "process work"),
    ("shim-coordination", "send work"),
    ("shim-coordination", SUBMIT),
    ("shim-gateway", SUBMIT),
    ("shim-gateway", TOOL),
];

/// Every span has its parent in the trace, or the client's span above it.
fn assert_is_whole(trace: &Trace) {
    for span in &trace.0 {
        let is_linked = span.parent_id == CLIENT_SPAN || trace.get(&span.parent_id).is_some();
        assert!(
            is_linked,
            "{} has no parent in the trace:\n{}",
            span.name,
            trace.listed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_tool_call_to_the_program_and_back() {
    let mut stack = TestStack::new().await;
    let mut worker = stack.worker("worker").await;
    let mut window = stack.window().await;
    let (part, job) = submit(&mut window, &client_context()).await;
    let saved_task = stack.wait_until_saved(&part).await;
    assert!(
        saved_task.traceparent.contains(TRACE_ID),
        "{}",
        saved_task.traceparent
    );

    // Other programs of BullMQ read the position from the job's data.
    let key = format!("{PREFIX}:work.command:{part}");
    let data = stack.redis.command(&["HGET", &key, "data"]).unwrap();
    let data: Value = serde_json::from_str(data.text().unwrap()).unwrap();
    assert_eq!(data["traceparent"], json!(saved_task.traceparent));

    stack.release_programs();
    let ended = stack.tasks().wait_for_end(&job).await.unwrap();
    assert_eq!(ended.state(), TaskState::Completed);
    let result = stack
        .wait_for_task(&part, |task| task.result.is_some())
        .await;
    window.close().await;
    worker.stop();
    stack.stop();

    let names = [
        TOOL,
        SUBMIT,
        "send work",
        "process work",
        "run program",
        "settle work",
        SAVE,
    ];
    let trace = stack.collector.trace(TRACE_ID, &names).await;
    assert_is_whole(&trace);
    let program = trace.only("shim-worker", "run program");
    let ancestors = trace.ancestors(program);
    assert_eq!(ancestors[0], ("shim-worker", "run program"));
    assert_eq!(ancestors[1..], EXPECTED_ANCESTORS);
    let settled = trace.only("shim-worker", "settle work");
    assert_eq!(trace.ancestors(settled)[1..], EXPECTED_ANCESTORS);
    let saved = trace.ancestors(trace.only("shim-checkpoint", SAVE));
    assert_eq!(saved[1], ("shim-worker", SAVE));
    assert_eq!(saved[2..], EXPECTED_ANCESTORS);

    // The program printed its own position.
    let text = result.result.unwrap().text;
    let traceparent = format!("00-{TRACE_ID}-{}-01", program.span_id);
    assert!(text.contains(&traceparent), "{text}");
    spans_say_what_they_are(&trace, &part);
}

fn spans_say_what_they_are(trace: &Trace, part: &str) {
    let tool = trace.only("shim-gateway", TOOL);
    assert_eq!((tool.kind, tool.parent_id.as_str()), (SERVER, CLIENT_SPAN));
    assert_eq!(tool.attribute("gen_ai.tool.name"), "shim_coordinate_task");
    assert_eq!(tool.attribute("mcp.method.name"), "tools/call");
    assert_eq!(tool.attribute("mcp.protocol.version"), "2025-11-25");
    assert_eq!(tool.attribute("network.transport"), "pipe");
    for (service, kind) in [("shim-gateway", CLIENT), ("shim-coordination", SERVER)] {
        let call = trace.only(service, SUBMIT);
        assert_eq!(call.kind, kind);
        assert_eq!(call.attribute("rpc.system.name"), "grpc");
        assert_eq!(call.attribute("rpc.method"), SUBMIT);
        assert_eq!(call.attribute("rpc.response.status_code"), "OK");
        assert!(!call.is_error);
    }
    let sent = trace.only("shim-coordination", "send work");
    assert_eq!(sent.kind, PRODUCER);
    assert_eq!(sent.attribute("messaging.system"), "bullmq");
    assert_eq!(sent.attribute("messaging.destination.name"), "work.command");
    let processed = trace.only("shim-worker", "process work");
    assert_eq!(processed.kind, CONSUMER);
    assert_eq!(processed.attribute("messaging.message.id"), part);
    assert_eq!(processed.attribute("shim.task.attempt"), "1");
    assert_eq!(processed.attribute("shim.task.worker_deaths"), "0");
    let program = trace.only("shim-worker", "run program");
    assert_eq!(program.attribute("process.exit.code"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_stays_in_its_trace_when_its_worker_dies() {
    let mut stack = TestStack::new().await;
    let mut first = stack.worker("first").await;
    let mut window = stack.window().await;
    let (part, job) = submit(&mut window, &client_context()).await;
    let before = stack.wait_until_saved(&part).await;
    first.kill();
    let mut second = stack.worker("second").await;
    let is_anothers = |task: &Task| task.worker_deaths == 1 && task.state() == TaskState::Running;
    let after = stack.wait_for_task(&part, is_anothers).await;
    assert_eq!(after.traceparent, before.traceparent);
    stack.release_programs();
    let ended = stack.tasks().wait_for_end(&job).await.unwrap();
    assert_eq!(ended.state(), TaskState::Completed);
    window.close().await;
    second.stop();
    stack.stop();

    let names = [TOOL, SUBMIT, "send work", "process work", "settle work"];
    let trace = stack.collector.trace(TRACE_ID, &names).await;
    // The first worker's attempt did not end, so only the second worker exported its own.
    let processed = trace.only("shim-worker", "process work");
    assert_eq!(trace.ancestors(processed), EXPECTED_ANCESTORS);
    assert_eq!(processed.attribute("shim.worker.id"), after.worker_id);
    assert_ne!(after.worker_id, before.worker_id);
    assert_eq!(processed.attribute("shim.task.worker_deaths"), "1");
    let settled = trace.only("shim-worker", "settle work");
    assert_eq!(trace.ancestors(settled)[1..], EXPECTED_ANCESTORS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outside_keeps_its_own_trace_and_points_to_the_jobs() {
    let stack = TestStack::new().await;
    let service = stack.worker("worker").await;
    let mut window = stack.window().await;
    let arguments = json!({"action": "submit", "goal": "for a window", "split": "never"});
    call(&mut window, arguments, &client_context()).await;

    // An external worker calls over gRPC, in a trace of its own.
    let mut clients = service.tasks();
    clients.registry = stack.tasks().registry;
    let worker = clients.register("outside", 1).await.unwrap();
    let own = "00-1bf7651916cd43dd8448eb211c80319d-c7ad6b7169203332-01";
    let context = TraceContext::parse(own).unwrap();
    let work = async {
        let claim = clients.claim(&worker, CLAIM_WITHIN).await.unwrap().unwrap();
        clients.complete(&claim, "done").await.unwrap();
        claim.task
    };
    let task = trace::scope(context, work).await;
    window.close().await;

    let names = ["receive work", "settle work"];
    let trace = stack.collector.trace(&context.trace_id(), &names).await;
    let job = stack.collector.trace(TRACE_ID, &["send work"]).await;
    let sent = job.only("shim-coordination", "send work");
    assert!(task.traceparent.contains(&sent.span_id));
    for name in names {
        let span = trace.only("shim-worker", name);
        assert_eq!(span.links, std::slice::from_ref(&sent.span_id), "{name}");
        assert_eq!(span.attribute("messaging.message.id"), task.task_id);
        assert_eq!(trace.get(&span.parent_id).unwrap().kind, SERVER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_traces_is_recorded_unless_the_caller_decides() {
    let (collector, temp) = (Collector::start().await, TempEnv::new());
    let launch = with_collector(Launch::checkpoint(&temp.data_dir()), &collector);
    let launch = launch.env("SHIM_OTLP_SAMPLE_RATIO", "0");
    let mut service = launch.start_or_panic().await;
    let mut client = service.client();
    let ask = ListSessionsRequest::default;
    client.list_sessions(ask()).await.unwrap();
    let unrecorded = TraceContext::parse(&format!("00-{TRACE_ID}-{CLIENT_SPAN}-00")).unwrap();
    let recorded = TraceContext::new_root();
    for context in [unrecorded, recorded] {
        let call = client.list_sessions(ask());
        trace::scope(context, call).await.unwrap();
    }
    assert!(service.stop().success());
    let all = collector.all();
    assert_eq!(all.0.len(), 1, "{}", all.listed());
    assert_eq!(all.0[0].trace_id, recorded.trace_id());
    assert_eq!(all.0[0].parent_id, recorded.span_id());
}
