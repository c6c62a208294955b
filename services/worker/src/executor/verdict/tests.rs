//! Tables of what agents print, each with its verdict; and the promise that no field hides a success.

#![allow(clippy::unwrap_used)]
use shim_work::ProgressUpdate;

use super::*;

mod forms;
mod properties;
mod troubles;

/// The verdict on lines, and all that they reported.
fn read_all(lines: &[Vec<u8>], ending: &Ending<'_>) -> (Verdict, Vec<ProgressUpdate>) {
    let mut transcript = Transcript::default();
    let mut updates: Vec<_> = lines.iter().map(|line| transcript.push(line)).collect();
    updates.push(transcript.unknown_rest());
    (verdict(transcript, ending), updates)
}

fn ending(program: ProgramEnd) -> Ending<'static> {
    Ending {
        program,
        stderr: "",
        fail_on_denial: false,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_500_000),
    }
}

fn read_as(lines: &[&str], program: ProgramEnd) -> Verdict {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    read_all(&lines, &ending(program)).0
}

fn read(lines: &[&str]) -> Verdict {
    read_as(lines, ProgramEnd::Exited(0))
}

#[track_caller]
fn completed(verdict: Verdict) -> Completed {
    match verdict {
        Verdict::Completed(completed) => completed,
        other => panic!("it is completed: {other:?}"),
    }
}

#[track_caller]
fn failed(verdict: Verdict) -> AttemptFailure {
    match verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("it failed: {other:?}"),
    }
}

/// A result line that says success, with more fields in front.
fn success(more: &str) -> String {
    format!(r#"{{"type":"result","subtype":"success","is_error":false,{more}"result":"42"}}"#)
}

const SAID: &str = r#"{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"There are 42."}]}}"#;
const FAILED: &str = r#"{"type":"result","subtype":"error_during_execution","is_error":true}"#;

#[test]
fn nothing_but_a_statement_decides_over_a_success() {
    for more in [
        r#""usage":{"input_tokens":-1},"#,
        r#""usage":{"input_tokens":1.5,"output_tokens":"7"},"#,
        r#""usage":{"input_tokens":99999999999999999999999999},"#,
        r#""usage":{"input_tokens":1e999},"#,
        r#""usage":{"input_tokens":NaN},"#,
        r#""usage":null,"#,
        r#""usage":[],"#,
        r#""usage":"much","#,
        r#""total_cost_usd":NaN,"#,
        r#""total_cost_usd":-Infinity,"#,
        r#""total_cost_usd":-0.1,"#,
        r#""total_cost_usd":1e308,"#,
        r#""total_cost_usd":1e400,"#,
        r#""total_cost_usd":"0.1","#,
        r#""total_cost_usd":{},"#,
        r#""num_turns":-3,"duration_ms":0.1e1,"modelUsage":{"m":{"costUSD":NaN}},"#,
        r#""session_id":"\ud83d","uuid":7,"#,
        r#""half \udead":1,"#,
        r#""errors":[],"error":null,"status":"completed","#,
        r#""errors":["",null],"error":"","status":"ok","#,
        r#""stop_reason":null,"terminal_reason":"completed","api_error_status":null,"#,
        r#""permission_denials":null,"queued_turn_count":"none","#,
        r#""structured_output":"text","#,
        r#""a":1,"a":2,"#,
    ] {
        let line = success(more);
        let done = completed(read(&[&line]));
        assert_eq!(
            (done.text.as_str(), done.remarks.len()),
            ("42", 0),
            "{more}"
        );
    }
    let deep = format!("\"usage\":{}{},", "[".repeat(9_000), "]".repeat(9_000));
    assert_eq!(completed(read(&[&success(&deep)])).text, "42");
}

#[test]
fn a_text_is_read_however_it_is_written() {
    for (result, expected) in [
        (r#""fixed \ud83d""#, "fixed \u{FFFD}"),
        (r#""\udc00\ud83d\ude00""#, "\u{FFFD}😀"),
        (r#""a\u0000b""#, "a\0b"),
        ("\"one\ttwo\"", "one\ttwo"),
        (r#"{"lines":42}"#, r#"{"lines":42}"#),
        ("[1,2]", "[1,2]"),
        ("42", "42"),
        ("true", "true"),
        (
            r#"[{"type":"text","text":"one"},{"type":"text","text":"two"}]"#,
            "one\ntwo",
        ),
    ] {
        let line = format!(r#"{{"type":"result","is_error":false,"result":{result}}}"#);
        assert_eq!(completed(read(&[&line])).text, expected, "{result}");
    }
    let line = r#"{"type":"result","result":{"lines":42}}"#;
    assert_eq!(completed(read(&[line])).data.unwrap()["lines"], 42);
    let line = r#"npm notice {"type":"result","result":"42"} and more"#;
    assert_eq!(completed(read(&[line])).text, "42");
    let line = r#"{"type":7,"is_error":false,"result":"42"}"#;
    assert_eq!(completed(read(&[line])).text, "42");
}

#[test]
fn a_line_that_says_anywhere_that_the_agent_failed_is_a_failure() {
    for more in [
        r#""is_error":true,"#,
        r#""is_error":"true","#,
        r#""is_error":1,"#,
        r#""subtype":"error_during_execution","#,
        r#""status":"error","#,
        r#""status":"Failed","#,
        r#""status":"timeout","#,
        r#""error":"boom","#,
        r#""error":{"message":"boom"},"#,
        r#""errors":["boom"],"#,
        r#""success":false,"#,
        r#""ok":false,"#,
    ] {
        let line = format!(r#"{{"type":"result",{more}"result":"half of it"}}"#);
        let failure = failed(read(&[&line]));
        assert_eq!(
            (failure.is_final, failure.is_crash),
            (false, false),
            "{more}"
        );
        assert!(failure.error.message.contains("half of it"), "{failure:?}");
    }
}

#[test]
fn a_success_without_a_text_hands_over_the_last_text_or_fails_for_good() {
    let inner = r#"{"type":"assistant","parent_tool_use_id":"t1","message":{"id":"m2","content":"inner words"}}"#;
    for empty in [
        r#""""#,
        r#""  \n""#,
        "null",
        "[]",
        "{}",
        "false",
        "0",
        "0.0",
        r#"[""]"#,
        "[null]",
        "\"\u{200B}\u{FEFF} \"",
        r#""\u2060""#,
    ] {
        let line = format!(r#"{{"type":"result","subtype":"success","result":{empty}}}"#);
        let done = completed(read(&[SAID, inner, &line]));
        assert_eq!(
            (done.text.as_str(), done.remarks.len()),
            ("There are 42.", 1)
        );
        let failure = failed(read(&[&line]));
        assert!(failure.is_final && failure.error.message.contains("without a result"));
        let failure = failed(read(&[inner, &line]));
        assert!(failure.is_final, "{failure:?}");
    }
    let missing = r#"{"type":"result","subtype":"SUCCESS"}"#;
    assert_eq!(completed(read(&[SAID, missing])).text, "There are 42.");
    let data = r#"{"type":"result","result":"","structured_output":{"lines":42}}"#;
    let done = completed(read(&[data]));
    assert_eq!(
        (done.text.as_str(), done.data.unwrap()["lines"].as_u64()),
        ("", Some(42))
    );
    // A later success that hands nothing over hides no earlier one.
    assert_eq!(completed(read(&[&success(""), missing])).text, "42");
}

#[test]
fn data_that_is_no_json_is_remarked() {
    let line = r#"{"type":"result","result":"42","structured_output":{"a":{"b":NaN}}}"#;
    let done = completed(read(&[line]));
    assert!(
        done.remarks.len() == 1 && done.remarks[0].starts_with("structured_output.a.b is no JSON"),
        "{done:?}"
    );
}

#[test]
fn a_success_that_was_said_stands() {
    let line = success("");
    for (program, remark) in [
        (ProgramEnd::Exited(0), ""),
        (ProgramEnd::Lingered, ""),
        (ProgramEnd::Exited(1), "exited with 1"),
        (ProgramEnd::Exited(127), "exited with 127"),
        (
            ProgramEnd::Signalled("signal: 9 (SIGKILL)".to_owned()),
            "SIGKILL",
        ),
        (ProgramEnd::TimedOut(Duration::from_secs(300)), "5 min"),
        (ProgramEnd::Stopped, "stopped"),
    ] {
        let done = completed(read_as(&[SAID, &line], program.clone()));
        assert_eq!(done.text, "42");
        assert_eq!(done.remarks.is_empty(), remark.is_empty(), "{program:?}");
        assert!(done.remarks.join("").contains(remark), "{done:?}");
    }
    let done = completed(read(&[&line, FAILED]));
    assert!(
        done.text == "42" && done.remarks[0].contains("error_during_execution"),
        "{done:?}"
    );
    assert_eq!(completed(read(&[FAILED, &line])), completed(read(&[&line])));
    let second = line.replace("42", "43");
    assert_eq!(completed(read(&[&line, &second])).text, "43");
    let mut lines = vec![&*line];
    lines.extend([FAILED; 30]);
    assert_eq!(completed(read(&lines)).text, "42");
}

#[test]
fn without_a_success_the_last_result_line_counts_and_its_text_is_kept() {
    for (line, program, is_final, expected) in [
        (
            FAILED,
            ProgramEnd::Exited(0),
            false,
            "error_during_execution",
        ),
        (FAILED, ProgramEnd::Exited(1), false, "There are 42."),
        (
            r#"{"type":"result","subtype":"error_max_turns"}"#,
            ProgramEnd::Exited(1),
            false,
            "There are 42.",
        ),
        (
            r#"{"type":"result","subtype":"error_max_budget_usd"}"#,
            ProgramEnd::Exited(1),
            true,
            "There are 42.",
        ),
        (
            r#"{"type":"result","is_error":true,"api_error_status":400,"result":"API Error: 400"}"#,
            ProgramEnd::Exited(1),
            true,
            "API Error: 400",
        ),
        (
            r#"{"type":"result","is_error":true,"permission_denials":[{"tool_name":"Bash","tool_input":{"command":"git push"}}]}"#,
            ProgramEnd::Exited(1),
            false,
            "not permitted: Bash: git push",
        ),
    ] {
        let failure = failed(read_as(&[SAID, line], program));
        assert_eq!(failure.is_final, is_final, "{line}");
        assert!(failure.error.message.contains(expected), "{failure:?}");
        assert!(!failure.error.message.contains("{\""), "{failure:?}");
    }
}

#[test]
fn without_a_result_the_end_of_the_program_counts_in_clean_sentences() {
    let calls = r#"{"type":"assistant","message":{"id":"m2","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"sleep 9"}}]}}"#;
    for (program, reason, expected) in [
        (
            ProgramEnd::TimedOut(Duration::from_secs(300)),
            TIMED_OUT,
            "its time was up after 5 min\n",
        ),
        (ProgramEnd::Exited(3), EXECUTOR_FAILED, "exit status: 3\n"),
        (
            ProgramEnd::Exited(127),
            EXECUTOR_FAILED,
            "exit status: 127\n",
        ),
        (
            ProgramEnd::Signalled("signal: 11 (SIGSEGV)".to_owned()),
            EXECUTOR_FAILED,
            "signal: 11",
        ),
        (
            ProgramEnd::Exited(0),
            EXECUTOR_FAILED,
            "it ended without a result\n",
        ),
    ] {
        let failure = failed(read_as(&[SAID, calls, "npm notice"], program.clone()));
        let message = failure.error.message;
        assert_eq!(failure.error.reason, reason);
        assert!(message.starts_with(expected), "{message}");
        assert!(
            message.ends_with("npm notice\nthe agent said last: There are 42."),
            "{message}"
        );
        assert!(!failure.is_final);
        let is_crash = matches!(program, ProgramEnd::Exited(0) | ProgramEnd::Signalled(_));
        assert_eq!(failure.is_crash, is_crash);
    }
    assert_eq!(read_as(&[SAID], ProgramEnd::Stopped), Verdict::Stopped);
    assert_eq!(read_as(&[FAILED], ProgramEnd::Stopped), Verdict::Stopped);
    let cut = r#"{"type":"result","subtype":"success","result":"42"#;
    failed(read_as(&[cut], ProgramEnd::Exited(1)));
}
