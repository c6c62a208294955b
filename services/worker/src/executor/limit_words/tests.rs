//! Texts that state a limit, and texts about one.

use proptest::prelude::*;

use super::*;

#[test]
fn a_statement_of_a_limit_is_told_from_a_text_about_one() {
    for said in [
        "Claude AI usage limit reached|1764547200",
        "Claude usage limit reached. Your limit will reset at 3pm (Europe/Berlin).",
        "You've hit your limit",
        "You\u{2019}ve hit your session limit · resets 3pm",
        "You've hit your weekly limit · resets Oct 9, 9am (UTC)",
        "You've hit your Opus limit ∙ resets 6pm",
        "You've hit your org's monthly usage limit",
        "You've reached your specified API usage limits. You will regain access on 2026-01-01",
        "You have exceeded your current quota, please check your plan and billing details",
        "You're out of extra usage · resets 3pm",
        "5-hour limit reached ∙ resets 3pm",
        "5-hour limit reached",
        "Weekly limit reached ∙ resets Oct 9",
        "Opus weekly limit reached ∙ resets Mon",
        "Session limit reached",
        "Limit reached · resets 7pm",
        "Usage limit has been reached",
        "Rate limit exceeded",
        "Rate limit exceeded, please try again later.",
        "Quota exceeded",
        "Credit balance is too low",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing",
        "Overloaded",
        "API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
        "API Error: Repeated 529 Overloaded errors",
        "API Error: 529 Overloaded.",
        "API Error (429 rate limit)",
        "API Error: Request rejected (429) · this may be a temporary capacity issue",
        "API Error: Server is temporarily limiting requests (not your usage limit) · Rate limited",
        "API Error: 500 Internal server error",
        "API Error: 401 {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\"}}",
        "Invalid API key · Please run /login",
        "API Error: Connection error.",
        "Error: connect ECONNREFUSED api.anthropic.com",
        "Please run /login · API Error: 401",
        "OAuth token revoked · Please run /login",
        "This organization has been disabled.",
        "⚠ You've hit your limit",
        "I am at step 3.\n\nYou've hit your session limit · resets 3pm",
        "one\ntwo\nthree\nfour\nfive\n5-hour limit reached ∙ resets 3pm",
    ] {
        assert!(states(said), "{said}");
        assert!(mentions(said), "{said}");
    }
    for about in [
        "",
        "The rate limit tests fail",
        "Usage limit reached is shown in the wrong place",
        "The message \"5-hour limit reached\" is now translated",
        "\"You've hit your limit\" is what the client shows",
        "`Rate limit exceeded` comes from the limiter",
        "Rate limiting works now",
        "Rate limit reached in 3 of 40 tests",
        "Limit reached the end of the list",
        "I hit your limit of 30 turns in the parser",
        "You've hit your limit tests with the wrong fixture",
        "You've used all of the fixtures",
        "Overloaded operators are rejected by the parser",
        "Overloading is done",
        "Too many requests are answered with 429",
        "The server is overloaded in the load test at 529 requests",
        "I fixed the 429 handling of the client",
        "one\nRate limit exceeded\nthree\nfour\nfive",
        "API Error: 400 the request is too long",
    ] {
        assert!(!states(about), "{about}");
    }
}

#[test]
fn the_form_for_programs_is_one_line_with_a_time() {
    assert!(is_machine_form(
        "Claude AI usage limit reached|1764547200\n"
    ));
    for other in [
        "Claude AI usage limit reached",
        "You've hit your session limit · resets 3pm",
        "see: Claude AI usage limit reached|1764547200",
        "It says:\nusage limit reached|1764547200",
        "usage limit reached|soon",
    ] {
        assert!(!is_machine_form(other), "{other}");
    }
}

proptest! {
    #[test]
    fn any_text_is_taken(text in any::<String>(), words in "[a-z0-9' .,|·∙-]{0,80}") {
        for text in [text, words.clone(), format!("you've hit {words} limit{words}")] {
            states(&text);
            mentions(&text);
            is_machine_form(&text);
        }
    }
}
