//! What providers and `claude` say when no task can be done: a limit, an overload, a key, a network. Pure.
//!
//! Agents also work on programs that have limits, and speak about them. So a text that may be a model's counts only if one of
//! its lines states a limit and nothing else: "5-hour limit reached ∙ resets 3pm" does, "the limit reached its end" does not.
//! A text that no model wrote counts if it holds one of the known words.

use super::unreached;

pub(super) mod whole;

/// Bytes of a text that are looked at, from its begin or its end.
const MAX_TEXT_BYTES: usize = 2_000;
/// A text of more lines is an answer, of which the last line alone may be the program's.
const MAX_LINES: usize = 4;
/// A statement is short.
const MAX_STATEMENT_BYTES: usize = 400;
/// Words between "you've hit" and "limit".
const MAX_QUALIFIERS: usize = 8;

/// What programs say of limits, and no task is about in these words.
const WORDS: [&str; 26] = [
    "usage limit reached",
    "hit your limit",
    "hit your usage limit",
    "hit your session limit",
    "hit your weekly limit",
    "hit your 5-hour limit",
    "hour limit reached",
    "weekly limit reached",
    "session limit reached",
    "out of extra usage",
    "rate_limit_error",
    "overloaded_error",
    "credit balance is too low",
    "billing_error",
    "invalid api key",
    "invalid x-api-key",
    "invalid bearer token",
    "please run /login",
    "not logged in",
    "authentication_error",
    "failed to authenticate",
    "oauth token has expired",
    "oauth token revoked",
    "organization has been disabled",
    "api error: 529",
    "insufficient_quota",
];

/// The same in words that a task may be about, too.
const LOOSE_WORDS: [&str; 8] = [
    "usage limit",
    "limit reached",
    "rate limit",
    "rate_limit",
    "too many requests",
    "overloaded",
    "token has expired",
    "unauthorized",
];

/// What a limit is of, in the words before it.
const QUALIFIERS: [&str; 54] = [
    "claude",
    "ai",
    "code",
    "usage",
    "session",
    "weekly",
    "daily",
    "monthly",
    "hourly",
    "hour",
    "opus",
    "sonnet",
    "haiku",
    "fable",
    "model",
    "models",
    "rate",
    "request",
    "requests",
    "token",
    "tokens",
    "message",
    "messages",
    "your",
    "the",
    "this",
    "api",
    "account",
    "organization",
    "organization's",
    "org",
    "org's",
    "workspace",
    "plan",
    "plan's",
    "credit",
    "credits",
    "spend",
    "spending",
    "max",
    "pro",
    "team",
    "free",
    "tier",
    "extra",
    "included",
    "current",
    "specified",
    "five-hour",
    "seven-day",
    "all",
    "of",
    "per",
    "minute",
];

/// What is used up.
const LIMITS: [&str; 9] = [
    "limit",
    "limits",
    "quota",
    "quotas",
    "credits",
    "credit",
    "allowance",
    "usage",
    "cap",
];

/// How a limit is said to be reached, behind it.
const REACHED: [&str; 5] = ["reached", "exceeded", "hit", "exhausted", "depleted"];

/// How a line begins that states that nobody is served.
const BEGINNINGS: [&str; 34] = [
    "credit balance is too low",
    "your credit balance is too low",
    "your account balance is too low",
    "credit balance too low",
    "out of credits",
    "insufficient credits",
    "insufficient quota",
    "insufficient funds",
    "exceeded your current quota",
    "payment required",
    "overloaded",
    "server overloaded",
    "server is overloaded",
    "the server is overloaded",
    "the api is overloaded",
    "the service is overloaded",
    "the model is overloaded",
    "the model is currently overloaded",
    "the engine is currently overloaded",
    "repeated 529 overloaded",
    "server is temporarily limiting requests",
    "rate limited",
    "rate-limited",
    "too many requests",
    "request rejected (429)",
    "invalid api key",
    "invalid x-api-key",
    "invalid bearer token",
    "not logged in",
    "failed to authenticate",
    "please run /login",
    "oauth token has expired",
    "oauth token revoked",
    "this organization has been disabled",
];

/// How a sentence goes on behind such a statement.
const CONTINUATIONS: [&str; 20] = [
    "resets", "reset", "try", "please", "your", "you", "you'll", "retry", "retrying", "upgrade",
    "wait", "contact", "limit", "limits", "it", "check", "visit", "go", "to", "errors",
];

/// How a line begins that a program writes for another one.
const MACHINE: [&str; 6] = [
    "api error",
    "error: api error",
    "{",
    "error: {",
    "http 4",
    "http 5",
];

/// Whether a text that no model wrote has the words of a limit, an overload or a key.
pub(super) fn mentions(text: &str) -> bool {
    let said = beginning(text).to_lowercase();
    let is_said = |words: &&str| said.contains(*words);
    WORDS.iter().chain(&LOOSE_WORDS).any(is_said) || unreached::is_mentioned(&said) || states(text)
}

/// Whether a text states a limit, an overload or a key on a line of its own.
pub(super) fn states(text: &str) -> bool {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    match lines.as_slice() {
        few if few.len() <= MAX_LINES => few.iter().any(|line| is_statement(line)),
        [.., last] => is_statement(last),
        [] => false,
    }
}

/// Whether a text is the form in which a limit was said to programs: "... limit reached|1764500000", and nothing else.
pub(super) fn is_machine_form(text: &str) -> bool {
    let Some((said, seconds)) = text.trim().rsplit_once('|') else {
        return false;
    };
    let is_time = seconds.len() >= 10 && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_time && said.lines().count() == 1 && states(said)
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

fn is_statement(line: &str) -> bool {
    if line.len() > MAX_STATEMENT_BYTES {
        let line = beginning(line).to_lowercase();
        let is_failed_call = || line.starts_with("api error") && status(&line);
        return is_machine_line(&line) && (says_words(&line) || is_failed_call());
    }
    let line = line.to_lowercase().replace('\u{2019}', "'");
    // A quoted text is one that somebody else said.
    let line = line.trim_start_matches(|c: char| !c.is_alphanumeric() && !"\"'`{(".contains(c));
    if is_machine_line(line) && (says_words(line) || status(line)) {
        return true;
    }
    if unreached::is_statement(line) {
        return true;
    }
    let line = without_prefixes(line);
    begins(line) || says_that_a_limit_is_reached(line) || says_that_you_are_limited(line)
}

fn is_machine_line(line: &str) -> bool {
    MACHINE.iter().any(|start| line.starts_with(start))
}

fn says_words(line: &str) -> bool {
    WORDS.iter().any(|words| line.contains(words))
}

/// Whether a program's line names the status of a limit, a key, an overload or an outage.
fn status(line: &str) -> bool {
    let numbers = line.split(|c: char| !c.is_ascii_digit()).take(12);
    let first = numbers
        .filter(|number| number.len() == 3)
        .find_map(|number| number.parse().ok());
    matches!(first, Some(401..=403 | 408 | 429 | 500..=599_u16))
}

fn without_prefixes(mut line: &str) -> &str {
    loop {
        let shorter = [
            "error:",
            "api error:",
            "fatal:",
            "claude:",
            "request failed:",
            "429",
            "529",
        ]
        .iter()
        .find_map(|prefix| line.strip_prefix(prefix));
        match shorter {
            Some(shorter) => line = shorter.trim_start(),
            None => return line,
        }
    }
}

fn begins(line: &str) -> bool {
    let mut behind = BEGINNINGS
        .iter()
        .filter_map(|start| line.strip_prefix(start));
    behind.any(ends_or_goes_on)
}

/// "5-hour limit reached", "Claude AI usage limit has been reached".
fn says_that_a_limit_is_reached(line: &str) -> bool {
    let mut words = Words(line);
    let mut qualifiers = 0;
    loop {
        match words.next() {
            Some(word) if LIMITS[..4].contains(&word) => break,
            Some(word) if qualifiers < MAX_QUALIFIERS && is_qualifier(word) => qualifiers += 1,
            _ => return false,
        }
    }
    let mut word = words.next();
    while word.is_some_and(|word| ["has", "was", "is", "been", "have", "were"].contains(&word)) {
        word = words.next();
    }
    word.is_some_and(|word| REACHED.contains(&word)) && ends_or_goes_on(words.0)
}

/// "You've hit your session limit", "You are out of extra usage", "You have exceeded your current quota".
fn says_that_you_are_limited(line: &str) -> bool {
    let you = ["you've ", "you have ", "you're ", "you are ", "you "];
    let Some(rest) = you.iter().find_map(|you| line.strip_prefix(you)) else {
        return false;
    };
    let verbs = [
        "hit ",
        "reached ",
        "exceeded ",
        "used up ",
        "used ",
        "exhausted ",
        "run out of ",
        "ran out of ",
        "out of ",
    ];
    let Some(rest) = verbs.iter().find_map(|verb| rest.strip_prefix(verb)) else {
        return false;
    };
    let mut words = Words(rest);
    for _ in 0..=MAX_QUALIFIERS {
        let Some(word) = words.next() else {
            return false;
        };
        if LIMITS.contains(&word) && ends_or_goes_on(words.0) {
            return true;
        }
        if !is_qualifier(word) {
            return false;
        }
    }
    false
}

/// A word for what a limit is of: a known one, or a number such as `5-hour` or `4.5`.
fn is_qualifier(word: &str) -> bool {
    let is_number = word.starts_with(|c: char| c.is_ascii_digit()) && word.len() <= 8;
    is_number || QUALIFIERS.contains(&word)
}

/// Whether a statement ends here, or goes on as they do.
fn ends_or_goes_on(rest: &str) -> bool {
    let behind = rest.trim_start();
    if behind.is_empty() || behind.starts_with(['|', '·', '∙', '•', '(', '-', '–', '—', ':', '/'])
    {
        return true;
    }
    let is_sentence_over = behind.starts_with(['.', '!', ',', ';']);
    let next = behind.trim_start_matches(['.', '!', ',', ';', ' ']);
    let word = next
        .split(|c: char| c.is_whitespace() || ".,:;".contains(c))
        .next();
    // A word that goes on, as in "limits", is another word.
    let is_apart = is_sentence_over || rest.starts_with(char::is_whitespace);
    next.is_empty() || is_apart && word.is_some_and(|word| CONTINUATIONS.contains(&word))
}

/// The words of a line, one by one; what is left of it is in the field.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start();
        let is_end = |c: char| c.is_whitespace() || ".,:;|!?()·∙•\"".contains(c);
        let inside = |(at, c): &(usize, char)| {
            // A point within a number is none at the end of a sentence.
            let next = rest[at + c.len_utf8()..].chars().next();
            is_end(*c) && !(*c == '.' && next.is_some_and(|next| next.is_ascii_digit()))
        };
        let end = rest
            .char_indices()
            .find(inside)
            .map_or(rest.len(), |(at, _)| at);
        let (word, rest) = rest.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests;
