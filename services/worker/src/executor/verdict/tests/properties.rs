//! No field hides a success, and none makes the reader panic.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Any JSON value, and some that are none.
fn any_value() -> impl Strategy<Value = String> {
    let plain = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        any::<String>().prop_map(|text| json!(text).to_string()),
        "[ -~]{0,20}".prop_map(|text| json!(text).to_string()),
        r#""(\\u[dD][89a-fA-F][0-9a-f]{2}){0,3}""#,
        prop::sample::select(vec![
            "NaN",
            "-Infinity",
            "null",
            "true",
            "false",
            "1e999",
            "-1",
            "{}",
            "[]",
            "\"\""
        ])
        .prop_map(str::to_owned),
    ];
    plain.prop_recursive(3, 20, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            list.prop_map(|items| format!("[{}]", items.join(","))),
            ("[a-z_]{1,10}", inner).prop_map(|(name, value)| format!("{{\"{name}\":{value}}}")),
        ]
    })
}

/// The fields of a real result line that state nothing.
const SILENT: [&str; 12] = [
    "duration_ms",
    "num_turns",
    "session_id",
    "uuid",
    "total_cost_usd",
    "usage",
    "modelUsage",
    "permission_denials",
    "stop_reason",
    "terminal_reason",
    "api_error_status",
    "queued_turn_count",
];

/// The fields by which a line states how the agent ended.
const STATING: [&str; 8] = [
    "subtype", "is_error", "result", "status", "error", "errors", "success", "ok",
];

proptest! {
    #[test]
    fn no_field_that_states_nothing_hides_a_success(field in prop::sample::select(&SILENT[..]), value in any_value()) {
        let line = success(&format!("\"{field}\":{value},"));
        let done = read(&[&line]);
        prop_assert!(matches!(&done, Verdict::Completed(done) if done.text == "42"), "{line}: {done:?}");
    }

    #[test]
    fn a_result_line_is_a_verdict_whatever_it_states(field in prop::sample::select(&STATING[..]), value in any_value()) {
        let line = format!(r#"{{"type":"result","subtype":"success","result":"42","{field}":{value}}}"#);
        let lines = [SAID.as_bytes().to_vec(), line.clone().into_bytes()];
        let mut transcript = Transcript::default();
        for line in &lines {
            transcript.push(line);
        }
        prop_assert_eq!(transcript.results.len(), 1, "{}", line);
        let (verdict, _) = read_all(&lines, &ending(ProgramEnd::Exited(1)));
        if let Verdict::Failed(failure) = verdict {
            prop_assert!(!failure.error.message.contains("exit status"), "{}: {:?}", line, failure);
        }
    }

    #[test]
    fn any_lines_before_or_after_a_success_leave_it(
        before in prop::collection::vec(any_value(), 0..3),
        after in prop::collection::vec(any_value(), 0..3),
        program in prop::sample::select(vec![ProgramEnd::Exited(0), ProgramEnd::Exited(1), ProgramEnd::Lingered]),
    ) {
        let mut lines: Vec<Vec<u8>> = before.into_iter().map(String::into_bytes).collect();
        lines.push(success("").into_bytes());
        lines.extend(after.into_iter().map(String::into_bytes));
        let (done, updates) = read_all(&lines, &ending(program));
        prop_assert!(matches!(&done, Verdict::Completed(done) if done.text == "42"), "{done:?}");
        for update in updates {
            prop_assert!(update.usage.cost_usd.is_finite() && update.usage.cost_usd >= 0.0);
        }
    }

    #[test]
    fn usage_stays_within_what_a_task_may_report(value in any_value()) {
        let usage = format!(r#"{{"input_tokens":{value},"cache_read_input_tokens":{value},"output_tokens":{value}}}"#);
        let lines = [
            format!(r#"{{"type":"assistant","message":{{"id":"m","usage":{usage},"content":{value}}}}}"#),
            success(&format!("\"total_cost_usd\":{value},\"usage\":{usage},")),
        ];
        let lines = lines.map(String::into_bytes);
        let (_, updates) = read_all(&lines, &ending(ProgramEnd::Exited(0)));
        for update in updates {
            prop_assert!(update.usage.input_tokens <= 1 << 40 && update.usage.output_tokens <= 1 << 40);
            prop_assert!((0.0..=1_000_000.0).contains(&update.usage.cost_usd));
        }
    }
}
