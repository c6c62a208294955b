//! Texts that are nothing but the program's own statement, in the place of an answer.
//!
//! A task may ask for a word such as "Overloaded", and get it. So only what `claude` alone says counts here.

use super::{MAX_STATEMENT_BYTES, begins, is_statement, says_that_a_limit_is_reached};
use super::{says_that_you_are_limited, without_prefixes};

/// Which limits the program says are reached.
const OWN_LIMITS: [&str; 8] = [
    "hour limit",
    "weekly limit",
    "session limit",
    "usage limit",
    "opus limit",
    "sonnet limit",
    "haiku limit",
    "resets ",
];
/// What the program says of accounts.
const ACCOUNTS: [&str; 4] = [
    "credit balance is too low",
    "your credit balance is too low",
    "this organization has been disabled",
    "unable to connect to api",
];
/// What it asks people for whose key is refused.
const LOGIN: &str = "run /login";

/// Whether a text is one line that the program itself wrote because no task can be done.
pub(in super::super) fn is_own_statement(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let line = line.trim().to_lowercase().replace('\u{2019}', "'");
    if line.starts_with("api error") || line.starts_with("error: api error") {
        return is_statement(&line);
    }
    if line.len() > MAX_STATEMENT_BYTES {
        return false;
    }
    let said = without_prefixes(&line);
    let begins_so = ACCOUNTS.iter().any(|start| said.starts_with(start)) && is_statement(said);
    let is_limit = OWN_LIMITS.iter().any(|limit| said.contains(limit));
    begins_so
        || is_limit && says_that_a_limit_is_reached(said)
        || says_that_you_are_limited(said)
        || begins(said) && said.contains(LOGIN)
}

#[cfg(test)]
mod tests {
    use super::is_own_statement;

    #[test]
    fn only_what_the_program_alone_says_stands_in_the_place_of_an_answer() {
        for said in [
            "5-hour limit reached ∙ resets 3pm",
            "Limit reached · resets 7pm",
            "You've hit your session limit · resets 3pm\n",
            "You\u{2019}ve hit your limit",
            "Claude AI usage limit reached",
            "Credit balance is too low",
            "Invalid API key · Please run /login",
            "Please run /login · API Error: 401",
            "API Error: Connection error.",
            "API Error: 500 {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Internal server error\"}}",
            "API Error: 529 Overloaded.",
            "Unable to connect to API (ConnectionRefused)",
        ] {
            assert!(is_own_statement(said), "{said}");
        }
        for answer in [
            "",
            "Overloaded",
            "Rate limit exceeded",
            "Too many requests",
            "Quota exceeded",
            "{\"count\":500}",
            "HTTP 503",
            "fetch failed",
            "Invalid API key",
            "API Error: 400 the request is too long",
            "The client shows: 5-hour limit reached ∙ resets 3pm",
            "5-hour limit reached ∙ resets 3pm\nis the text of the notice",
            "\"5-hour limit reached ∙ resets 3pm\"",
        ] {
            assert!(!is_own_statement(answer), "{answer}");
        }
    }
}
