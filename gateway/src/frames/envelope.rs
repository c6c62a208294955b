//! What can be told of a message without reading it whole or rightly: its id, its method, whether it is an answer.

use serde_json::Value;
use shim_runtime::json_text;

/// Ids, methods and names of fields are kept up to so many bytes; longer ones are not told.
const MAX_TOKEN_BYTES: usize = 1_024;

/// Looks at the bytes of a message in the order they come. Damage within them costs at most what stands behind it.
#[derive(Debug, Default)]
pub(crate) struct EnvelopeScan {
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
    /// The name of the present field of the message, in quotes, once its colon came.
    name: Option<Vec<u8>>,
    /// The name or the value being read, unless it is a list or an object.
    token: Vec<u8>,
    /// The present field has a list or an object as its value, which ended.
    is_nested_over: bool,
    /// How the message writes its names: the first byte of the first one.
    quote: Option<u8>,
    envelope: Envelope,
}

/// What a scan found. Values are JSON as it was written.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    pub(super) is_object: bool,
    pub(super) is_list: bool,
    /// The end of the message came.
    is_closed: bool,
    pub(super) jsonrpc: Option<Vec<u8>>,
    pub(super) method: Option<Vec<u8>>,
    /// It has `result` or `error`.
    pub(super) is_answer: bool,
    /// The first two; a message has one.
    ids: Vec<Vec<u8>>,
}

impl EnvelopeScan {
    /// Scans a whole message.
    pub(super) fn of(message: &[u8]) -> Envelope {
        let mut scan = Self::default();
        scan.feed(message);
        scan.finish()
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    /// What was found; a value that the end cut off is not told.
    pub(crate) fn finish(self) -> Envelope {
        self.envelope
    }

    fn push(&mut self, byte: u8) {
        if self.is_in_text {
            self.collect(byte);
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                // A comma is missing.
                let is_over = self.is_nested_over || !self.token.is_empty();
                if self.depth == 1 && self.name.is_some() && is_over {
                    self.end_field();
                }
                self.is_in_text = true;
                self.collect(byte);
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_field();
                    self.envelope.is_closed = true;
                }
                self.depth = self.depth.saturating_sub(1);
                self.is_nested_over = self.depth == 1;
            }
            b',' if self.depth == 1 => self.end_field(),
            b':' if self.depth == 1 && self.name.is_none() => self.end_name(),
            _ if byte.is_ascii_whitespace() => {}
            _ => self.collect(byte),
        }
    }

    fn open(&mut self, byte: u8) {
        if self.depth == 0 {
            self.envelope.is_object = byte == b'{';
            self.envelope.is_list = byte == b'[';
        }
        self.depth += 1;
    }

    fn collect(&mut self, byte: u8) {
        if self.depth == 1 && self.token.len() <= MAX_TOKEN_BYTES {
            self.token.push(byte);
        }
    }

    fn end_name(&mut self) {
        let name = std::mem::take(&mut self.token);
        self.quote = self.quote.or(name.first().copied());
        let is_answer = name == b"\"result\"" || name == b"\"error\"";
        self.envelope.is_answer |= is_answer;
        self.name = Some(name);
    }

    fn end_field(&mut self) {
        let token = std::mem::take(&mut self.token);
        self.is_nested_over = false;
        let Some(name) = self.name.take() else { return };
        let is_id = is_id_name(&name, self.quote);
        let envelope = &mut self.envelope;
        match name.as_slice() {
            _ if is_id && envelope.ids.len() < 2 => envelope.ids.push(token),
            b"\"method\"" => envelope.method = Some(token),
            b"\"jsonrpc\"" => envelope.jsonrpc = Some(token),
            _ => {}
        }
    }
}

/// Whether a name is that of the id, written as the message writes its names: in quotes, or as programs print what is no JSON.
fn is_id_name(name: &[u8], quote: Option<u8>) -> bool {
    match quote {
        Some(b'\'') => name == b"'id'",
        Some(b'"') | None => name == b"\"id\"",
        Some(_) => name == b"id",
    }
}

/// An id as JSON, if an answer can carry it: a text or a number. Zeros before a number, which JSON does not know, are left out.
pub(super) fn read_id(written: &[u8]) -> Option<String> {
    if written.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let id = json_text::repair(written).or_else(|| String::from_utf8(written.to_vec()).ok())?;
    let id = without_zeros(&id).unwrap_or(id);
    let is_id = |id: &Value| id.is_string() || id.is_number();
    serde_json::from_str(&id).ok().filter(is_id).map(|_| id)
}

/// A whole number without the zeros before it; `None` if it is none.
fn without_zeros(id: &str) -> Option<String> {
    let (sign, digits) = match id.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", id),
    };
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let kept = digits.trim_start_matches('0');
    let kept = if kept.is_empty() { "0" } else { kept };
    is_whole.then(|| format!("{sign}{kept}"))
}

impl Envelope {
    /// Whether an `id` was given, of whatever kind.
    pub(super) fn has_id(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Whether `id` was given twice.
    pub(super) fn has_two_ids(&self) -> bool {
        self.ids.len() > 1
    }

    /// The id as JSON, if it is one that an answer can carry: a text or a number, the same if it was given twice.
    pub(super) fn id(&self) -> Option<String> {
        if matches!(self.ids.as_slice(), [first, second] if first != second) {
            return None;
        }
        self.ids.first().and_then(|id| read_id(id))
    }

    /// Whether nobody waits for an answer: a notification, or an answer itself.
    pub(super) fn wants_no_answer(&self) -> bool {
        let is_notification = self
            .method
            .as_ref()
            .is_some_and(|method| method.starts_with(b"\"notifications/"));
        self.is_answer && self.method.is_none()
            || is_notification && self.is_closed && !self.has_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(message: &str) -> Option<String> {
        EnvelopeScan::of(message.as_bytes()).id()
    }

    #[test]
    fn the_id_is_told_wherever_it_stands_and_whatever_is_broken() {
        let cases = [
            (r#"{"id":7,"params":{"id":8,"progress":NaN}}"#, "7"),
            (
                r#"{"params":{"id":8,"x":[{"id":9}]},"id":"a b"}"#,
                r#""a b""#,
            ),
            (r#"{"params":{"x":NaN,},"id": 12 }"#, "12"),
            (
                r#"{"id":18446744073709551616,"params":"\ud800"}"#,
                "18446744073709551616",
            ),
            (r#"{"id":"\ud83d","x":1}"#, r#""\ufffd""#),
            (r#"{"id":7,"params":{"text":"no end"#, "7"),
            (r#"{"id":7,"id":7}"#, "7"),
            (r#"{"jsonrpc":"2.0" "id":8 "method":"ping"}"#, "8"),
            (r#"{"jsonrpc":"2.0","params":{}"id":8}"#, "8"),
            (r#"{"id":8"method":"ping"}"#, "8"),
            (r#"{"id":0016}"#, "16"),
            (r#"{"id":-007,"x":1}"#, "-7"),
            (r#"{"id":000}"#, "0"),
            ("{'jsonrpc': '2.0', 'id': 7, 'method': 'ping'}", "7"),
            (r#"{jsonrpc:"2.0",id:7,method:"ping"}"#, "7"),
        ];
        for (message, expected) in cases {
            assert_eq!(id(message).as_deref(), Some(expected), "{message}");
        }
        for message in [
            "",
            "nonsense",
            "[1]",
            r#"{"id":1"#,
            r#"{"id":null}"#,
            r#"{"id":[1]}"#,
            r#"{"id":{}}"#,
            r#"{"id":1,"id":2}"#,
            r#"{"x":{"id":1}}"#,
            r#"{"text":"\"id\":1"}"#,
            r#"{"text":"x",id:1}"#,
            r#"{"x":"id":1}"#,
            r#"{"id":1e}"#,
        ] {
            assert_eq!(id(message), None, "{message}");
        }
    }

    #[test]
    fn a_scan_in_pieces_finds_the_same() {
        let message =
            r#"{"jsonrpc":"2.0","params":{"x":"{\"id\":1}"},"method":"tools/call","id":"q\"1"}"#;
        for cut in 0..message.len() {
            let mut scan = EnvelopeScan::default();
            scan.feed(&message.as_bytes()[..cut]);
            scan.feed(&message.as_bytes()[cut..]);
            let envelope = scan.finish();
            assert_eq!(envelope.id().as_deref(), Some(r#""q\"1""#));
            assert!(!envelope.wants_no_answer());
        }
    }

    #[test]
    fn notifications_and_answers_want_no_answer() {
        for message in [
            r#"{"method":"notifications/progress","params":{"progress":NaN}}"#,
            r#"{"id":3,"result":NaN}"#,
            r#"{"id":3,"error":{"code":1"#,
        ] {
            assert!(
                EnvelopeScan::of(message.as_bytes()).wants_no_answer(),
                "{message}"
            );
        }
        for message in [
            r#"{"method":"tools/call"}"#,
            r#"{"method":"notifications/progress","id":1}"#,
            r#"{"method":"notifications/progress","params":{"x":"#,
        ] {
            assert!(
                !EnvelopeScan::of(message.as_bytes()).wants_no_answer(),
                "{message}"
            );
        }
    }
}
