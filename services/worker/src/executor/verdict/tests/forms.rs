//! The forms in which agents write their results: over several lines, cut off, with data of any kind, at odds with themselves.

use super::*;

#[test]
fn a_success_that_a_line_states_stands_and_what_contradicts_it_is_a_remark() {
    for (more, remark) in [
        (r#""errors":["a hook failed"],"#, "errors: a hook failed"),
        (r#""error":{"message":"boom"},"#, "errors: boom"),
        (r#""status":"error","#, "status error"),
        (r#""success":false,"#, "success is false"),
        (r#""ok":"false","#, "ok is false"),
    ] {
        let done = completed(read(&[&success(more)]));
        assert_eq!(done.text, "42");
        assert!(
            done.remarks.len() == 1 && done.remarks[0].contains(remark),
            "{done:?}"
        );
    }
    // Less than both fields states less.
    for line in [
        r#"{"type":"result","subtype":"success","status":"error","result":"42"}"#,
        r#"{"type":"result","is_error":false,"errors":["boom"],"result":"42"}"#,
        r#"{"type":"result","subtype":"error_max_turns","is_error":false,"result":"42"}"#,
        r#"{"type":"result","subtype":"success","is_error":true,"result":"42"}"#,
    ] {
        failed(read(&[line]));
    }
    let twice = r#"{"type":"result","subtype":"success","is_error":false,"result":"41","result":"42","structured_output":{"a":1,"a":2}}"#;
    let done = completed(read(&[twice]));
    assert_eq!(done.text, "42");
    assert!(
        done.remarks[0].starts_with("result is given twice"),
        "{done:?}"
    );
    assert!(
        done.remarks[1].starts_with("structured_output.a is given twice"),
        "{done:?}"
    );
}

#[test]
fn data_keeps_every_digit_and_every_form() {
    for (output, expected) in [
        (r#"{"id":9007199254740993}"#, r#"{"id":"9007199254740993"}"#),
        (r#"{"a":[1e999,-1e999]}"#, r#"{"a":["1e999","-1e999"]}"#),
        (
            r#"{"a":0.1234567890123456789}"#,
            r#"{"a":"0.1234567890123456789"}"#,
        ),
        (
            r#"{"a":9007199254740991,"b":0.1}"#,
            r#"{"a":9007199254740991,"b":0.1}"#,
        ),
        (
            "[1,9007199254740993]",
            r#"{"structured_output":[1,"9007199254740993"]}"#,
        ),
        (r#""text""#, r#"{"structured_output":"text"}"#),
        ("7", r#"{"structured_output":7}"#),
        ("false", r#"{"structured_output":false}"#),
    ] {
        // The second reader takes what the first one refuses.
        for more in ["", r#""usage":NaN,"#] {
            let line = success(&format!("{more}\"structured_output\":{output},"));
            let data = completed(read(&[&line])).data.unwrap();
            assert_eq!(Value::Object(data).to_string(), expected, "{line}");
        }
    }
    let none = success(r#""structured_output":null,"#);
    assert_eq!(completed(read(&[&none])).data, None);
}

#[test]
fn a_result_over_several_lines_is_a_result() {
    let value: Value = serde_json::from_str(&success(r#""usage":{"input_tokens":3},"#)).unwrap();
    let pretty = format!("{value:#}");
    let list = format!("[\n  {}\n]", pretty.replace('\n', "\n  "));
    for text in [&pretty, &list] {
        let mut lines = vec![SAID, "npm notice"];
        lines.extend(text.lines());
        lines.push("bye");
        assert_eq!(completed(read(&lines)).text, "42", "{text}");
    }
    let raw = [
        r#"{"type":"result","subtype":"success","is_error":false,"result":"one"#,
        r#"two"}"#,
    ];
    assert_eq!(completed(read(&raw)).text, "one\ntwo");
    let quoted = format!("{} said \"it", success(""));
    assert_eq!(completed(read(&[&quoted, "x"])).text, "42");
    let cut_list = format!("[{SAID},\n{},\n{{\"type\":\"sys", success(""));
    let lines: Vec<_> = cut_list.lines().collect();
    assert_eq!(completed(read(&lines)).text, "42");
    // What was cut off costs no message behind it.
    let half = r#"{"type":"assistant","message":{"id":"m9","#;
    assert_eq!(completed(read(&[half, "x", &success("")])).text, "42");
}

#[test]
fn a_result_line_without_its_end_counts_if_it_still_states_how_it_ended() {
    let begin = r#"{"type":"result","subtype":"success","is_error":false,"#;
    for (rest, text, remark) in [
        (r#""result":"There are"#, "There are 42.", "the last text"),
        (
            r#""result":"Other wo"#,
            "Other wo",
            "maybe of this text, too",
        ),
        (
            r#""result":"42","usage":{"inp"#,
            "42",
            "the end of its result line",
        ),
        (r#""duration_ms":12"#, "There are 42.", "cut off"),
        ("", "There are 42.", "cut off"),
    ] {
        for program in [
            ProgramEnd::Exited(0),
            ProgramEnd::Signalled("signal: 9".to_owned()),
        ] {
            let line = format!("{begin}{rest}");
            let done = completed(read_as(&[SAID, &line], program));
            assert_eq!(done.text, text, "{line}");
            assert!(done.remarks.join("; ").contains(remark), "{done:?}");
        }
    }
    // The work may be done, and is not done again.
    let failure = failed(read(&[begin]));
    assert!(failure.is_final, "{failure:?}");
    let error = r#"{"type":"result","subtype":"error_max_turns","dur"#;
    let failure = failed(read(&[SAID, error]));
    assert!(
        failure.error.message.contains("error_max_turns"),
        "{failure:?}"
    );
    for unstated in [
        r#"{"type":"result","#,
        r#"{"type":"result","subtype":"success","is_err"#,
        r#"{"type":"result","subtype":"success","is_error":fals"#,
        r#"{"type":"resu"#,
    ] {
        let failure = failed(read(&[SAID, unstated]));
        assert!(failure.is_crash, "{unstated}: {failure:?}");
    }
}
