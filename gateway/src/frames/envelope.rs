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
            }
            b',' if self.depth == 1 => self.end_field(),
            b':' if self.depth == 1 && self.name.is_none() => {
                let name = std::mem::take(&mut self.token);
                let is_answer = name == b"\"result\"" || name == b"\"error\"";
                self.envelope.is_answer |= is_answer;
                self.name = Some(name);
            }
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

    fn end_field(&mut self) {
        let token = std::mem::take(&mut self.token);
        let Some(name) = self.name.take() else { return };
        let envelope = &mut self.envelope;
        match name.as_slice() {
            b"\"id\"" if envelope.ids.len() < 2 => envelope.ids.push(token),
            b"\"method\"" => envelope.method = Some(token),
            b"\"jsonrpc\"" => envelope.jsonrpc = Some(token),
            _ => {}
        }
    }
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
        let id = self.ids.first().filter(|id| id.len() <= MAX_TOKEN_BYTES)?;
        let id = json_text::repair(id).or_else(|| String::from_utf8(id.clone()).ok())?;
        let is_id = |id: &Value| id.is_string() || id.is_number();
        serde_json::from_str(&id).ok().filter(is_id).map(|_| id)
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
