//! Messages of JSON-RPC 2.0: one line of JSON each, of bounded length.

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Room made for each read.
const READ_BYTES: usize = 64 * 1024;
/// Beside a result of the longest length stand its envelope's fields.
const ENVELOPE_BYTES: usize = 4 * 1024;

/// Cuts what a pipe gives into messages.
#[derive(Debug)]
pub(super) struct Messages<R> {
    pipe: R,
    buffer: Vec<u8>,
    /// How much of the buffer holds no end of a line.
    searched: usize,
    max_bytes: usize,
}

/// Why there is no message.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The pipe failed.
    Io(#[allow(dead_code, reason = "shown by Debug in tests")] std::io::Error),
    /// A line is longer than a message may be.
    TooLong,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(super) fn new(pipe: R, max_bytes: usize) -> Self {
        Self {
            pipe,
            buffer: Vec::new(),
            searched: 0,
            max_bytes: max_bytes.saturating_add(ENVELOPE_BYTES),
        }
    }

    /// The next message without its end; `None` at the end of the pipe. Dropped before it is ready, nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            let unsearched = &self.buffer[self.searched..];
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > self.max_bytes {
                return Err(ReadError::TooLong);
            }
            self.buffer.reserve(READ_BYTES);
            let read = self.pipe.read_buf(&mut self.buffer).await;
            if read.map_err(ReadError::Io)? == 0 {
                return Ok(None);
            }
        }
    }
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The answer to the request with this id.
    Answer(u64),
    /// How far the call is.
    Progress,
    /// A piece of the answer.
    Part,
    /// Nothing that is known.
    Other,
}

#[derive(Deserialize)]
struct Envelope {
    id: Option<u64>,
    method: Option<String>,
}

impl Incoming {
    pub(super) fn of(line: &[u8]) -> Self {
        match serde_json::from_slice(line) {
            Ok(Envelope {
                id: Some(id),
                method: None,
            }) => Self::Answer(id),
            Ok(Envelope {
                method: Some(method),
                ..
            }) => match method.as_str() {
                "progress" => Self::Progress,
                "part" => Self::Part,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// The answer to a request: a result or an error.
#[derive(Deserialize)]
pub(super) struct Response<T> {
    #[serde(default = "nothing")]
    pub(super) result: Option<T>,
    pub(super) error: Option<Failure>,
}

fn nothing<T>() -> Option<T> {
    None
}

/// What a method failed with.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
}

/// The codes of failures that are more than a tool's own: `host.js` sends them.
pub(super) mod code {
    /// The answer is larger than a message.
    pub(in crate::tool_host) const TOO_LARGE: i64 = -32_001;
    /// One of our packages is not whole.
    pub(in crate::tool_host) const PACKAGE_MISSING: i64 = -32_004;
}

/// The parameters of a notification.
#[derive(Deserialize)]
pub(super) struct Notification<P> {
    pub(super) params: P,
}

/// How far a call is.
#[derive(Deserialize)]
pub(super) struct ProgressParams {
    pub(super) stage: String,
    pub(super) text: String,
    #[serde(default)]
    pub(super) done: u64,
    #[serde(default)]
    pub(super) total: u64,
}

/// A piece of an answer.
#[derive(Deserialize)]
pub(super) struct PartParams<P> {
    pub(super) value: P,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_whole_however_they_come_and_bounded() {
        let long = vec![b'x'; ENVELOPE_BYTES + 200];
        let input = [
            b"{\"id\":1}\n{\"me".as_slice(),
            b"thod\":\"part\"}\n",
            &long,
        ]
        .concat();
        let mut messages = Messages::new(tokio_test_pipe(&input), 100);
        let first = messages.next().await.unwrap().unwrap();
        assert_eq!(Incoming::of(&first), Incoming::Answer(1));
        let second = messages.next().await.unwrap().unwrap();
        assert_eq!(Incoming::of(&second), Incoming::Part);
        assert!(matches!(messages.next().await, Err(ReadError::TooLong)));
    }

    /// Gives a few bytes with each read.
    fn tokio_test_pipe(input: &[u8]) -> impl AsyncRead + Unpin {
        let (front, back) = input.split_at(7);
        std::io::Cursor::new(front.to_vec()).chain(std::io::Cursor::new(back.to_vec()))
    }

    #[test]
    fn what_is_no_message_is_known_as_such() {
        for line in [
            "",
            "[]",
            "{\"id\":\"1\"}",
            "{\"method\":\"other\"}",
            "noise",
        ] {
            assert_eq!(Incoming::of(line.as_bytes()), Incoming::Other, "{line}");
        }
    }
}
