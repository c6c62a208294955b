//! What failures mean for the next attempt.

#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

const NOW: u64 = 1_764_500_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn evidence(has_worked: bool) -> Evidence<'static> {
    Evidence {
        limit: None,
        retried: None,
        has_worked,
        notice: None,
        last_text: "",
        has_gone_on: false,
        now: at(NOW),
    }
}

fn trouble(line: &Value, event: Option<&Value>) -> Trouble {
    let evidence = Evidence {
        limit: event.and_then(Limit::of),
        ..evidence(false)
    };
    of_result(&AgentResult::of(line), evidence)
}

#[test]
fn words_count_if_they_state_a_limit_and_before_any_work_if_no_model_wrote_them() {
    let about = json!({"is_error": true, "result": "The rate limit tests fail"});
    let result = AgentResult::of(&about);
    for has_worked in [true, false] {
        assert_eq!(of_result(&result, evidence(has_worked)), Trouble::Passing);
    }
    let outside = "npm warn\nserver: too many requests";
    let unfit = Some(Trouble::Unfit(None));
    assert_eq!(of_silence(outside, evidence(true)), None);
    assert_eq!(of_silence(outside, evidence(false)), unfit);
    let later = NOW + 3_600;
    for (said, until) in [
        ("You've hit your limit".to_owned(), None),
        ("5-hour limit reached ∙ resets 3pm".to_owned(), None),
        ("Credit balance is too low".to_owned(), None),
        ("API Error: Repeated 529 Overloaded errors".to_owned(), None),
        (
            format!("Claude AI usage limit reached|{later}"),
            Some(at(later)),
        ),
    ] {
        let unfit = Trouble::Unfit(until);
        for line in [
            json!({"is_error": true, "result": said}),
            json!({"is_error": true, "subtype": "error_during_execution", "errors": [said]}),
        ] {
            let result = AgentResult::of(&line);
            assert_eq!(of_result(&result, evidence(true)), unfit, "{said}");
        }
        assert_eq!(of_silence(&said, evidence(true)), Some(unfit), "{said}");
    }
    let about = "The text 'usage limit reached' is wrong in two places";
    assert_eq!(of_silence(about, evidence(true)), None);
    let failed = json!({"is_error": true, "result": about});
    let trouble = of_result(&AgentResult::of(&failed), evidence(true));
    assert_eq!(trouble, Trouble::Passing);
}

#[test]
fn a_notice_in_the_place_of_an_answer_is_no_answer() {
    let said = "You've hit your session limit · resets 3pm";
    let with = |notice| Evidence {
        notice,
        ..evidence(true)
    };
    let of_success = |text: &str, evidence| {
        let result = AgentResult::of(&json!({"result": text}));
        super::of_success(&result, evidence).map(|(_, until)| until)
    };
    let gone_on = Evidence {
        last_text: said,
        has_gone_on: true,
        ..with(None)
    };
    assert_eq!(of_success(said, with(Some(said))), Some(None));
    assert_eq!(of_success(said, with(None)), Some(None));
    assert_eq!(of_success(said, gone_on), None);
    assert_eq!(of_success("", with(Some(said))), Some(None));
    assert_eq!(of_success("\u{200B}", with(Some(said))), Some(None));
    assert_eq!(of_success("", gone_on), None);
    let seven = "The limit is 7";
    assert_eq!(of_success(seven, with(Some(seven))), None);
    assert_eq!(of_success("Rate limit exceeded", with(None)), None);
    let machine = format!("Claude AI usage limit reached|{}", NOW + 60);
    assert_eq!(of_success(&machine, with(None)), Some(Some(at(NOW + 60))));
    let limit = Limit::of(&json!({"status": "rejected", "resetsAt": NOW + 60}));
    let enforced = Evidence {
        limit,
        ..with(None)
    };
    assert_eq!(of_success(said, enforced), Some(Some(at(NOW + 60))));
    assert_eq!(of_success("All 40 tests pass", enforced), None);
}

#[test]
fn a_call_without_an_answer_would_fail_for_any_task() {
    for (line, is_for_all) in [
        (json!({"error_status": null, "error": "unknown"}), true),
        (json!({"error_status": 503, "error": "unknown"}), true),
        (json!({"error_status": 400, "error": "unknown"}), false),
        (json!({"error": "unknown"}), false),
    ] {
        assert_eq!(RetriedCall::of(&line).is_for_all(), is_for_all, "{line}");
    }
}

#[test]
fn an_assistant_line_may_name_what_its_call_failed_by() {
    for (error, is_for_all) in [
        ("rate_limit", true),
        ("billing_error", true),
        ("authentication_failed", true),
        ("server_error", true),
        ("overloaded", true),
        ("invalid_request", false),
        ("max_output_tokens", false),
        ("unknown", false),
    ] {
        assert_eq!(
            RetriedCall::named(error).is_for_all(),
            is_for_all,
            "{error}"
        );
    }
}

#[test]
fn the_status_of_the_call_tells_final_passing_and_unfit_apart() {
    let (is_final, passing) = (Trouble::Final, Trouble::Passing);
    let unfit = Trouble::Unfit(None);
    for (fields, expected) in [
        (json!({"api_error_status": 400}), is_final),
        (json!({"api_error_status": 413}), is_final),
        (json!({"api_error_status": 401}), unfit),
        (json!({"api_error_status": "401"}), unfit),
        (json!({"api_error_status": 402}), unfit),
        (json!({"api_error_status": 403}), unfit),
        (json!({"api_error_status": 404}), unfit),
        (json!({"api_error_status": 429}), unfit),
        (json!({"api_error_status": 500}), unfit),
        (json!({"api_error_status": 503}), unfit),
        (json!({"api_error_status": 529}), unfit),
        (json!({"api_error_status": 409}), passing),
        (json!({"api_error_status": 7}), passing),
        (
            json!({"api_error_status": 400, "result": "Your credit balance is too low"}),
            unfit,
        ),
        (json!({"api_error_type": "overloaded_error"}), unfit),
        (json!({"api_error_type": "invalid_request_error"}), is_final),
        (
            json!({"api_error_status": null, "terminal_reason": "api_error"}),
            unfit,
        ),
        (json!({"terminal_reason": "prompt_too_long"}), is_final),
        (json!({"terminal_reason": "aborted_tools"}), passing),
        (json!({"subtype": "error_max_budget_usd"}), is_final),
        (
            json!({"subtype": "error_max_turns", "errors": ["rate limit of the turns"]}),
            passing,
        ),
        (
            json!({"result": "You've hit your limit · resets 3pm"}),
            unfit,
        ),
        (
            json!({"result": "Invalid API key · Please run /login"}),
            unfit,
        ),
        (json!({"errors": ["Overloaded"]}), unfit),
        (json!({"result": "API Error: Connection error."}), unfit),
        (
            json!({"errors": ["Unable to connect to API (ConnectionRefused)"]}),
            unfit,
        ),
        (json!({"result": "The tests fail"}), passing),
        (
            json!({"result": "The tests hit the rate limit of GitHub: 429 Too Many Requests"}),
            passing,
        ),
        (json!({}), passing),
    ] {
        let mut line = fields.clone();
        line["is_error"] = true.into();
        assert_eq!(trouble(&line, None), expected, "{fields}");
    }
}

#[test]
fn a_limit_ends_when_the_provider_says() {
    let later = NOW + 3_600;
    let line = json!({"is_error": true, "subtype": "success", "result": "You've hit your limit"});
    let known = Trouble::Unfit(Some(at(later)));
    for (event, expected) in [
        (json!({"resetsAt": later}), known),
        (
            json!({"rate_limit_info": {"status": "rejected", "resetsAt": later}}),
            known,
        ),
        (
            json!({"rate_limit_info": {"resetsAt": later * 1_000}}),
            known,
        ),
        (
            json!({"rate_limit_info": {"resets_at": later.to_string()}}),
            known,
        ),
        (
            json!({"rate_limit_info": {"resetsAt": "2025-11-30T11:53:20Z"}}),
            known,
        ),
        (
            json!({"rate_limit_info": {"resetsAt": NOW - 1}}),
            Trouble::Unfit(None),
        ),
        (
            json!({"rate_limit_info": {"resetsAt": NOW + 30 * 86_400}}),
            Trouble::Unfit(None),
        ),
        (
            json!({"rate_limit_info": {"resetsAt": 1e300}}),
            Trouble::Unfit(None),
        ),
        (
            json!({"rate_limit_info": {"resetsAt": "soon"}}),
            Trouble::Unfit(None),
        ),
        (
            json!({"rate_limit_info": {"resetsAt": null}}),
            Trouble::Unfit(None),
        ),
        (
            json!({"rate_limit_info": {"status": "allowed_warning", "resetsAt": later}}),
            Trouble::Unfit(None),
        ),
    ] {
        assert_eq!(trouble(&line, Some(&event)), expected, "{event}");
    }
    let old = json!({"is_error": true, "result": format!("Claude AI usage limit reached|{later}")});
    assert_eq!(trouble(&old, None), known);
}
