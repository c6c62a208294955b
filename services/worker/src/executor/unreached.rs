//! What `claude`, and the runtime that it is written for, say when the API cannot be reached. Pure.
//!
//! Tasks reach for servers, too. So a text that may be a model's counts only if a line of it states nothing else, and names
//! no other server than the provider's.

/// What the system calls its failures to reach a server.
const CODES: [&str; 9] = [
    "econnrefused",
    "econnreset",
    "econnaborted",
    "enotfound",
    "etimedout",
    "eai_again",
    "enetunreach",
    "ehostunreach",
    "und_err_connect_timeout",
];
/// What stands before a code.
const CALLS: [&str; 4] = ["connect ", "getaddrinfo ", "read ", "write "];
/// Parts of what the servers of providers are called; what serves on the port of HTTPS has an address instead.
const PROVIDERS: [&str; 5] = [
    "anthropic",
    "claude.",
    "amazonaws.com",
    "googleapis.com",
    ":443",
];
/// How a line begins that names the provider, whatever stands behind it.
const BEGINNINGS: [&str; 6] = [
    "unable to connect to api",
    "unable to connect to the api",
    "unable to connect to anthropic",
    "failed to connect to api.anthropic.com",
    "failed to connect to anthropic",
    "could not connect to api.anthropic.com",
];
/// What is said of a network, and is all that the line says.
const STATEMENTS: [&str; 4] = [
    "connection error",
    "fetch failed",
    "socket hang up",
    "connection refused",
];
/// What stands in a line about a call of the API that got no answer.
const NO_ANSWER: [&str; 8] = [
    "connection error",
    "connection closed",
    "connection refused",
    "connectionrefused",
    "fetch failed",
    "timed out",
    "socket",
    "network error",
];
/// What stands before such words.
const PREFIXES: [&str; 8] = [
    "error:",
    "fatal:",
    "typeerror:",
    "apiconnectionerror:",
    "axioserror:",
    "[cause]:",
    "claude:",
    "request failed:",
];

/// Whether a line, in small letters, states that the API was not reached.
pub(super) fn is_statement(line: &str) -> bool {
    let line = without_prefixes(line.trim());
    if let Some(said) = line.strip_prefix("api error") {
        // A line with a status got an answer.
        let has_status = said
            .trim_start_matches([':', ' ', '('])
            .starts_with(|c: char| c.is_ascii_digit());
        let names = |words: &&str| said.contains(*words);
        return !has_status && NO_ANSWER.iter().chain(&CODES).any(names);
    }
    let begins = |start: &&str| line.starts_with(*start);
    BEGINNINGS.iter().any(begins) || is_bare(line) || names_provider(line)
}

/// Whether a line of what no model wrote states it.
pub(super) fn is_stated_in(text: &str) -> bool {
    text.lines().any(|line| is_statement(&line.to_lowercase()))
}

/// Whether a text in small letters, which no model wrote, speaks of a server that was not reached.
pub(super) fn is_mentioned(text: &str) -> bool {
    let said = [BEGINNINGS.as_slice(), &STATEMENTS, &CODES];
    let mut said = said.into_iter().flatten();
    said.any(|words| text.contains(*words))
}

/// "Connection error.", "fetch failed".
fn is_bare(line: &str) -> bool {
    let mut behind = STATEMENTS
        .iter()
        .filter_map(|words| line.strip_prefix(words));
    behind.any(|rest| {
        let rest = rest.trim_start_matches(['.', '!', ' ']);
        rest.is_empty() || rest.starts_with('(')
    })
}

/// "connect ECONNREFUSED api.anthropic.com".
fn names_provider(line: &str) -> bool {
    let call = CALLS.iter().find_map(|call| line.strip_prefix(call));
    let line = call.unwrap_or(line);
    let Some(server) = CODES.iter().find_map(|code| line.strip_prefix(code)) else {
        return false;
    };
    server.trim().is_empty() || PROVIDERS.iter().any(|name| server.contains(name))
}

fn without_prefixes(mut line: &str) -> &str {
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| line.strip_prefix(prefix)) {
        line = rest.trim_start();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_that_is_not_reached_is_told_from_another_server() {
        for said in [
            "API Error: Connection error.",
            "API Error (Connection error.)",
            "API Error: Request timed out.",
            "API Error: Unable to connect to API (ECONNREFUSED)",
            "Connection error.",
            "Error: connect ECONNREFUSED api.anthropic.com",
            "Error: connect ECONNREFUSED 160.79.104.10:443",
            "Error: getaddrinfo ENOTFOUND api.anthropic.com",
            "Error: ETIMEDOUT",
            "connect ETIMEDOUT api.anthropic.com:443",
            "getaddrinfo EAI_AGAIN api.anthropic.com",
            "Unable to connect to API due to poor internet connection",
            "Unable to connect to API (ConnectionRefused)",
            "Failed to connect to api.anthropic.com: ERR_BAD_REQUEST",
            "fetch failed",
            "TypeError: fetch failed",
        ] {
            assert!(is_statement(&said.to_lowercase()), "{said}");
            assert!(is_stated_in(&format!("{said}\n    at node:net")), "{said}");
        }
        for other in [
            "",
            "Error: connect ECONNREFUSED 127.0.0.1:5432",
            "getaddrinfo ENOTFOUND db.internal",
            "The tests fail: connect ECONNREFUSED api.anthropic.com",
            "Connection errors are retried now",
            "connection error: the database of the tests is away",
            "fetch failed for three of the pages",
            "\"API Error: Connection error.\" is what it shows",
            "API Error: 400 the connection error is wrong",
        ] {
            assert!(!is_statement(&other.to_lowercase()), "{other}");
        }
        assert!(is_mentioned("error: connect econnrefused 127.0.0.1:9999"));
    }
}
