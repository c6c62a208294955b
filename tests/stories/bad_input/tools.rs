//! Wrong arguments of the six tools: an answer the model can act on, naming the field, the form and the next step;
//! never a broken pipe, never an error of the protocol.

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;

use super::cases::MEBIBYTE;

pub(super) const SAVE: &str = "shim_auto_checkpoint";
pub(super) const RECOVER: &str = "shim_check_recovery";
pub(super) const SIGNALS: &str = "shim_monitor_signals";
pub(super) const STATUS: &str = "shim_session_status";
pub(super) const COORDINATE: &str = "shim_coordinate_task";
pub(super) const WORK: &str = "shim_worker_task";
/// An idle gateway has less than 10 MB; a flood of bad input must not stay in it.
const MEMORY_LIMIT: u64 = 200 * MEBIBYTE as u64;

/// Calls, each with the argument that is wrong in it.
#[derive(Default)]
pub(super) struct Cases(Vec<(&'static str, Value, &'static str)>);

impl Cases {
    /// `bad` in place of one argument of an otherwise good call.
    pub(super) fn field(
        &mut self,
        tool: &'static str,
        field: &'static str,
        bad: impl IntoIterator<Item = Value>,
    ) {
        for bad in bad {
            let mut arguments = good(tool);
            arguments[field] = bad;
            self.0.push((tool, arguments, field));
        }
    }

    /// A whole call that is wrong in one argument.
    pub(super) fn of(&mut self, tool: &'static str, call: Value, field: &'static str) {
        self.0.push((tool, call, field));
    }

    /// A required argument left out, or null; for an optional one both mean the same, and are fine.
    pub(super) fn missing(&mut self, tool: &'static str, field: &'static str) {
        let mut arguments = good(tool);
        arguments.as_object_mut().unwrap().remove(field);
        self.0.push((tool, arguments, field));
        self.field(tool, field, [Value::Null]);
    }
}

impl Cases {
    /// Makes every call; each must be refused in words that name the argument and the next step.
    pub(super) async fn assert_all_named(self, gateway: &mut Gateway) {
        let (mut wrong, count) = (Vec::new(), self.0.len());
        for (tool, arguments, field) in self.0 {
            let action = arguments["action"].as_str().unwrap_or_default().to_owned();
            let shown: String = arguments[field].to_string().chars().take(80).collect();
            let result = gateway.call(tool, arguments).await;
            if let Some(complaint) = complaint(&result, field) {
                wrong.push(format!("{tool} {action} {field} = {shown}: {complaint}"));
            }
        }
        let all = wrong.join("\n");
        assert!(wrong.is_empty(), "{} of {count} cases:\n{all}", wrong.len());
        let resident = gateway.resident_bytes();
        assert!(resident < MEMORY_LIMIT, "memory: {resident}");
    }
}

fn good(tool: &str) -> Value {
    match tool {
        SAVE => json!({"current_task": "t", "progress": 0.5}),
        COORDINATE => json!({"action": "submit", "goal": "g"}),
        WORK => json!({"action": "claim"}),
        _ => json!({}),
    }
}

pub(super) fn not_text() -> Vec<Value> {
    vec![
        json!(7),
        json!(["a"]),
        json!({"a": 1}),
        json!(true),
        json!("x".repeat(10 * MEBIBYTE)),
    ]
}

pub(super) fn not_a_number() -> Vec<Value> {
    vec![
        json!("50%"),
        json!("NaN"),
        json!(-0.1),
        json!(1e300),
        json!([1]),
        json!(true),
    ]
}

pub(super) fn not_texts(limit: usize) -> Vec<Value> {
    vec![
        json!("one"),
        json!([1]),
        json!([null]),
        json!({"0": "a"}),
        json!(vec!["a"; limit + 1]),
        json!(vec!["a"; 100_000]),
        json!(["x".repeat(10 * MEBIBYTE)]),
        json!([""]),
    ]
}

pub(super) fn not_an_id() -> Vec<Value> {
    let wrong = [
        " ",
        "nonsense",
        "../../etc/passwd",
        "shim://sessions/1",
        "\0",
        "01890a5d-ac96-774b-bcce-b302099a805",
    ];
    wrong
        .into_iter()
        .map(Value::from)
        .chain(not_text())
        .collect()
}

fn cases() -> Cases {
    let mut cases = Cases::default();
    for field in ["current_task", "progress"] {
        cases.missing(SAVE, field);
    }
    cases.field(
        SAVE,
        "current_task",
        not_text()
            .into_iter()
            .chain([json!(""), json!(" "), json!("x".repeat(8193))]),
    );
    cases.field(
        SAVE,
        "progress",
        not_a_number().into_iter().chain([json!(1.01), json!(50)]),
    );
    for field in [
        "decisions",
        "next_steps",
        "completed_steps",
        "blockers",
        "active_files",
        "dropped_steps",
        "retracted_decisions",
        "closed_tasks",
    ] {
        cases.field(SAVE, field, not_texts(1000));
    }
    cases.field(
        SAVE,
        "task_key",
        not_text().into_iter().chain([json!("x".repeat(201))]),
    );
    let tricks = [
        "../secret",
        "/etc/../etc/passwd",
        "a/../../b",
        "a\0b",
        "..",
        "~/../x",
    ];
    cases.field(
        SAVE,
        "active_files",
        tricks.map(|path| json!(["fine.rs", path])),
    );
    cases.field(SAVE, "active_files", [json!(["x".repeat(4097)])]);
    cases.field(
        SAVE,
        "summary",
        not_text().into_iter().chain([json!("x".repeat(262_145))]),
    );
    cases.field(
        SAVE,
        "trigger",
        not_text()
            .into_iter()
            .chain([json!("danger_zone"), json!("MANUAL")]),
    );
    for tool in [SAVE, RECOVER, SIGNALS, STATUS] {
        cases.field(tool, "session_id", not_an_id());
        cases.field(tool, "no_such_argument", [json!(1)]);
    }
    for tool in [RECOVER, COORDINATE, WORK] {
        cases.field(
            tool,
            "action",
            not_text().into_iter().chain([json!("explode")]),
        );
    }
    cases.field(RECOVER, "checkpoint_id", not_an_id());
    cases.field(RECOVER, "project", not_text());
    for field in [
        "estimated_tokens",
        "context_window",
        "message_count",
        "tool_calls",
        "tool_failures",
    ] {
        cases.field(
            SIGNALS,
            field,
            not_a_number()
                .into_iter()
                .chain([json!(1.5), json!(1_000_000_001)]),
        );
    }
    cases.field(
        SIGNALS,
        "response_latency_ms",
        not_a_number().into_iter().chain([json!(86_400_001)]),
    );
    cases.field(
        STATUS,
        "view",
        not_text().into_iter().chain([json!("everything")]),
    );
    cases.field(
        STATUS,
        "limit",
        [
            json!("three"),
            json!("0"),
            json!(-1),
            json!(0),
            json!(1.5),
            json!(1_000_000),
        ],
    );
    cases.field(STATUS, "query", not_text());
    cases.0.push((STATUS, json!({"view": "search"}), "query"));
    cases.missing(COORDINATE, "action");
    cases.missing(COORDINATE, "goal");
    cases.missing(WORK, "action");
    cases.field(COORDINATE, "goal", not_text());
    cases.field(COORDINATE, "files", not_texts(1000));
    cases.field(COORDINATE, "priority", not_a_number());
    cases.field(WORK, "capabilities", not_texts(1000));
    cases
}

async fn start_gateway() -> (TempEnv, Service, Gateway) {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let launch =
        GatewayLaunch::new(&temp.data_dir(), &temp.project()).with_service(service.socket());
    let gateway = launch.open().await;
    (temp, service, gateway)
}

#[tokio::test]
async fn every_wrong_argument_is_named_with_the_next_step() {
    let (_temp, _service, mut gateway) = start_gateway().await;
    let saved = gateway.call(SAVE, good(SAVE)).await;
    cases().assert_all_named(&mut gateway).await;

    let again = gateway.call(SAVE, good(SAVE)).await;
    assert_eq!(
        again["structuredContent"]["session_id"],
        saved["structuredContent"]["session_id"]
    );
    assert_eq!(
        again["structuredContent"]["checkpoint"]["number"], 2,
        "nothing refused was saved"
    );
}

/// What is wrong with the answer to a bad call, if anything.
fn complaint(result: &Value, field: &str) -> Option<String> {
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    let error = &result["structuredContent"]["error"];
    let said = if result["isError"] != json!(true) {
        "was accepted"
    } else if !text.contains(field) || !error.to_string().contains(field) {
        "does not name the field"
    } else if !error["next_step"].is_string() {
        "does not say the next step"
    } else if text.len() > 4096 {
        "says too much"
    } else {
        return None;
    };
    let shown: String = text.chars().take(200).collect();
    Some(format!("{said}: {shown}"))
}

#[tokio::test]
async fn arguments_that_are_no_object_are_answered() {
    let (_temp, _service, mut gateway) = start_gateway().await;
    for arguments in [json!([]), json!("text"), json!(7), json!(null)] {
        let params = json!({"name": SAVE, "arguments": arguments});
        let answer = gateway.request("tools/call", params).await;
        let fine = answer.as_ref().map_or_else(
            |error| error["code"] == json!(-32602) || error["code"] == json!(-32600),
            |result| result["isError"] == json!(true),
        );
        assert!(fine, "{arguments}: {answer:?}");
    }
    let saved = gateway.call(SAVE, good(SAVE)).await;
    assert_ne!(
        saved["isError"],
        json!(true),
        "the gateway lives on: {saved}"
    );
}

#[tokio::test]
async fn unknown_ids_are_said_to_be_unknown() {
    let (_temp, _service, mut gateway) = start_gateway().await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (tool, arguments) in [
        (
            SAVE,
            json!({"current_task": "t", "progress": 0.5, "session_id": unknown}),
        ),
        (SIGNALS, json!({"session_id": unknown})),
        (STATUS, json!({"session_id": unknown})),
        (RECOVER, json!({"action": "restore", "session_id": unknown})),
        (
            RECOVER,
            json!({"action": "restore", "checkpoint_id": unknown}),
        ),
        (RECOVER, json!({"action": "dismiss", "session_id": unknown})),
    ] {
        let result = gateway.call(tool, arguments.clone()).await;
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(
            result["isError"],
            json!(true),
            "{tool} {arguments}: {result}"
        );
        assert!(
            text.contains(unknown) && text.contains("NOT_FOUND"),
            "{tool} {arguments}: {text}"
        );
    }
}

#[tokio::test]
async fn lines_that_are_no_message_do_not_end_the_conversation() {
    let (_temp, _service, mut gateway) = start_gateway().await;
    let long = format!("{{\"jsonrpc\": \"{}\"}}\n", "x".repeat(10 * MEBIBYTE));
    let lines: [&[u8]; 8] = [
        b"\n",
        b"not json\n",
        b"{\"jsonrpc\":\"2.0\"\n",
        b"[1,2,3]\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":7}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":99,\"method\":\"tools/call\",\"params\":{\"name\":\"\xC3\x28\"}}\n",
        b"\xFF\xFE\xFD\n",
        long.as_bytes(),
    ];
    for line in lines {
        gateway.send_bytes(line).await;
        let saved = gateway.call(SAVE, good(SAVE)).await;
        let shown = String::from_utf8_lossy(&line[..line.len().min(40)]);
        assert_ne!(saved["isError"], json!(true), "after {shown}: {saved}");
    }
}
