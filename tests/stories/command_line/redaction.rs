//! What differs from run to run, and what stands for it in a snapshot.

use shim_runtime::process;

/// Patterns, applied one after the other.
const PATTERNS: [(&str, &str); 25] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[id]",
    ),
    // Positions in a stream of Redis.
    (r"\b\d{13}-\d+\b", "[cursor]"),
    (r"\b[0-9a-f]{64}\b", "[hash]"),
    (r#""[A-Za-z0-9+/_-]{42,}={0,2}""#, r#""[bytes]""#),
    (
        r"\b(in )?\d+ (s|min|h|d)( \d+ (s|min|h))?( ago| left)?\b|\bjust now\b",
        "[span]",
    ),
    (r#""-?\d+(\.\d+)?s""#, r#""[span]""#),
    (r"\b\d+(\.\d+)? ?(µs|ms)\b", "[span]"),
    (
        r"\b\d+(\.\d+)? (B|bytes|KiB|MiB|GiB|TiB|KB|MB|GB|TB)\b",
        "[size]",
    ),
    (r"\b\d+ of \[size\]", "[number] of [size]"),
    // Where a machine keeps its programs, and which Redis it has.
    (
        r"(/[\w.-]+)*/(git|node|redis-server|true)\b",
        "[programs]/$2",
    ),
    (r"\bversion \d+\b", "version [version]"),
    (
        r#""(\w*([bB]ytes|Pid|pid|Ticks|_ms|Ms|_seconds|Seconds))":"?\d+(\.\d+)?"?"#,
        r#""$1":"[number]""#,
    ),
    (r"(\d+\.\d+\.\d+\.\d+|localhost):\d+", "[address]"),
    (r"\b(pid|process) \d+\b", "$1 [pid]"),
    (r"\b\d+\.\d+\.\d+\b", "[version]"),
    (r"\b[0-9a-f]{8}\b", "[short id]"),
    // Versions of entries and fencing tokens follow the time in microseconds.
    (r"\b\d{5,}\b", "[number]"),
    (r"\b\d+(\.\d+)?(K|M|G)\b", "[size]"),
    // What takes Redis's room is measured now and then: a command may come before the first look.
    (
        r"(\(maxmemory\)|at most \[size\] in Redis): \w+ \[size\](, \w+ \[size\])*",
        "$1",
    ),
    (r#""kinds":\{("\w+":\{[^}]*\},?)*\}"#, r#""kinds":{}"#),
    (
        r#",?"(?:storeSizes|bounds)":\[.*?\}\]|,?"storeBytes":"\[number\]""#,
        "",
    ),
    (r"(load|CPU|cpu|memory) \d+(\.\d+)?", "$1 [number]"),
    // Columns are as wide as what was in them.
    (r"(\S) {3,}", "$1  "),
    (r"[ \t]+\n", "\n"),
];

/// The replacements of one run: exact texts first, then the patterns.
#[derive(Debug, Default)]
pub(super) struct Redaction {
    exact: Vec<(String, String)>,
}

impl Redaction {
    pub(super) fn new() -> Self {
        let mut redaction = Self::default();
        let host = process::hostname();
        if host.len() > 3 {
            redaction.replace(&host, "[host]");
        }
        redaction
    }

    /// Lets `name` stand for a text; for a longer one before a shorter one within it.
    pub(super) fn replace(&mut self, text: &str, name: &str) {
        assert!(!text.is_empty(), "{name} is a text");
        self.exact.push((text.to_owned(), name.to_owned()));
        self.exact
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// Lets `[name id]` stand for an id, and `[name]` for its last eight digits.
    pub(super) fn replace_id(&mut self, id: &str, name: &str) {
        self.replace(id, &format!("[{name} id]"));
        self.replace(&id[id.len() - 8..], &format!("[{name}]"));
    }

    /// The text with the exact replacements made.
    pub(super) fn apply(&self, text: &str) -> String {
        let replaced = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.exact.iter().fold(text.to_owned(), replaced)
    }

    /// Adds the patterns to the settings of a snapshot.
    pub(super) fn add_patterns(settings: &mut insta::Settings) {
        for (pattern, name) in PATTERNS {
            settings.add_filter(pattern, name);
        }
    }
}
