//! MCP over stdin and stdout: one message on each line.
//!
//! (A) Every line is served, passed on or answered; one that cannot be read costs nothing but itself. (B) A line has a
//! bound; what is longer is not kept, only looked at for its id. (C) The last line is served without its newline, too.
//! (D) An answer to a damaged line survives that the wait for the next line is given up, which rmcp does all the time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures::SinkExt;
use metrics::counter;
use rmcp::RoleServer;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_render::text;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::sync::Mutex;
use tokio_util::bytes::{BufMut, BytesMut};
use tokio_util::codec::{Encoder, FramedWrite};

use super::envelope::{Envelope, EnvelopeScan};
use super::losses::with_losses;
use super::verdict::{Verdict, judge_line, judge_too_large};

/// A line's memory is given back if it is larger.
const KEPT_BYTES: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

type Output<W> = Arc<Mutex<Option<FramedWrite<W, LineEncoder>>>>;

/// The two streams of a client.
pub(crate) struct StdioTransport<R, W> {
    lines: LineReader<R>,
    /// Messages that stood together on one line and are not served yet.
    waiting: VecDeque<ClientJsonRpcMessage>,
    output: Output<W>,
    /// Answers to damaged lines that are not written yet.
    replies: VecDeque<String>,
    is_flushed: bool,
}

impl<R: AsyncRead + Send + Unpin, W: AsyncWrite + Send + Unpin + 'static> StdioTransport<R, W> {
    pub(crate) fn new(input: R, output: W) -> Self {
        Self {
            lines: LineReader::new(input),
            waiting: VecDeque::new(),
            output: Arc::new(Mutex::new(Some(FramedWrite::new(output, LineEncoder)))),
            replies: VecDeque::new(),
            is_flushed: true,
        }
    }

    async fn write_replies(&mut self) -> io::Result<()> {
        if self.replies.is_empty() && self.is_flushed {
            return Ok(());
        }
        let mut output = self.output.lock().await;
        let Some(output) = output.as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        while let Some(reply) = self.replies.front() {
            // Given up here, it wrote nothing.
            output.feed(reply.clone()).await?;
            self.replies.pop_front();
            self.is_flushed = false;
        }
        SinkExt::<String>::flush(output).await?;
        self.is_flushed = true;
        Ok(())
    }

    /// Takes in the messages of a line: one, as a rule.
    fn read(&mut self, line: &Line) {
        let text = match line {
            Line::TooLong(envelope) => {
                return self.take(Err(judge_too_large(envelope, MAX_MESSAGE_BYTES)));
            }
            Line::Whole => trimmed(&self.lines.line),
        };
        if text.is_empty() {
            return;
        }
        match serde_json::from_slice(text) {
            Ok(message) => self.waiting.push_back(with_losses(message, text)),
            Err(error) => {
                for piece in judge_line(text, &error) {
                    self.take(piece);
                }
            }
        }
    }

    fn take(&mut self, piece: Result<ClientJsonRpcMessage, Verdict>) {
        match piece {
            Ok(message) => self.waiting.push_back(message),
            Err(Verdict::Repaired(text)) => {
                counter!("shim_mcp_damaged_frames_total", "outcome" => "repaired").increment(1);
                tracing::warn!(
                    "a message with half characters was read with U+FFFD in their place"
                );
                if let Ok(message) = serde_json::from_str(&text) {
                    let message = with_losses(message, text.as_bytes());
                    self.waiting.push_back(message);
                }
            }
            Err(Verdict::Ignored(fault)) => {
                counter!("shim_mcp_damaged_frames_total", "outcome" => "ignored").increment(1);
                tracing::warn!("a message that wants no answer cannot be read: {fault}");
            }
            Err(Verdict::Refused(refusal)) => {
                counter!("shim_mcp_damaged_frames_total", "outcome" => "refused").increment(1);
                tracing::warn!("a message was refused: {}", refusal.message);
                self.replies.extend(refusal.answers());
            }
        }
    }
}

/// A line without its end and the byte order mark that some programs begin with.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    line.trim_ascii()
}

impl<R, W> Transport<RoleServer> for StdioTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move {
            match output.lock().await.as_mut() {
                Some(output) => output.send(message).await,
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Err(error) = self.write_replies().await {
                tracing::error!("stdout cannot be written: {error}");
                return None;
            }
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            match self.lines.next().await {
                Ok(Some(line)) => {
                    self.read(&line);
                    self.lines.clear();
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::error!("stdin cannot be read: {error}");
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        drop(self.output.lock().await.take());
        Ok(())
    }
}

/// A line that came.
enum Line {
    /// It is in the reader's buffer.
    Whole,
    /// It was too long to be kept.
    TooLong(Envelope),
}

/// Reads lines. A wait that is given up loses nothing.
struct LineReader<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// The present line is too long to be kept.
    too_long: Option<EnvelopeScan>,
    is_at_end: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            too_long: None,
            is_at_end: false,
        }
    }

    /// The next line; `None` at the end. [`Self::clear`] makes room for the one after it.
    async fn next(&mut self) -> io::Result<Option<Line>> {
        while !self.is_at_end {
            let available = self.input.fill_buf().await?;
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            self.is_at_end = available.is_empty();
            match &mut self.too_long {
                Some(scan) => scan.feed(&available[..taken]),
                None if self.line.len() + taken > MAX_MESSAGE_BYTES => {
                    let scan = self.too_long.insert(EnvelopeScan::default());
                    scan.feed(&self.line);
                    scan.feed(&available[..taken]);
                    self.line = Vec::new();
                }
                None => self.line.extend_from_slice(&available[..taken]),
            }
            self.input.consume(taken);
            if newline.is_some() || self.is_at_end {
                return Ok(self.ended_line());
            }
        }
        Ok(None)
    }

    fn ended_line(&mut self) -> Option<Line> {
        match self.too_long.take() {
            Some(scan) => Some(Line::TooLong(scan.finish())),
            None => (!self.line.is_empty()).then_some(Line::Whole),
        }
    }

    fn clear(&mut self) {
        self.line.clear();
        if self.line.capacity() > KEPT_BYTES {
            self.line = Vec::new();
        }
    }
}

/// Writes each message, or the text of one, on a line of its own.
struct LineEncoder;

impl Encoder<TxJsonRpcMessage<RoleServer>> for LineEncoder {
    type Error = io::Error;

    fn encode(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
        line: &mut BytesMut,
    ) -> io::Result<()> {
        self.encode(serde_json::to_string(&message)?, line)
    }
}

impl Encoder<String> for LineEncoder {
    type Error = io::Error;

    fn encode(&mut self, text: String, line: &mut BytesMut) -> io::Result<()> {
        // Some client prints the line: a terminal acts on characters that JSON lets through.
        let text = text::json(&text);
        line.reserve(text.len() + 1);
        line.put_slice(text.as_bytes());
        line.put_u8(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    /// The ids of the requests that were read, and what was answered, when all of `input` came.
    async fn heard(input: Vec<u8>) -> (Vec<Value>, Vec<Value>) {
        let (mut client, stdin) = duplex(1 << 16);
        let (stdout, mut answers): (DuplexStream, DuplexStream) = duplex(1 << 20);
        let writing = tokio::spawn(async move {
            client.write_all(&input).await.unwrap();
        });
        let mut transport = StdioTransport::new(stdin, stdout);
        let mut ids = Vec::new();
        while let Some(message) = transport.receive().await {
            let (_, id) = message.into_request().unwrap();
            ids.push(id.into_json_value());
        }
        writing.await.unwrap();
        drop(transport);
        let mut text = String::new();
        answers.read_to_string(&mut text).await.unwrap();
        let answered = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (ids, answered.collect())
    }

    #[tokio::test]
    async fn every_line_is_served_or_answered_and_the_next_one_too() {
        let long = format!(
            r#"{{"jsonrpc":"2.0","params":"{}","id":"long"}}"#,
            "x".repeat(MAX_MESSAGE_BYTES)
        );
        let lines = [
            PING.to_owned(),
            long,
            format!("\u{FEFF}{PING}\r"),
            "  \t ".to_owned(),
            r#"{"jsonrpc":"2.0","id":2,"method":"ping","params":{"x":NaN}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","id":"\ud83d","method":"ping"}"#.to_owned(),
            "nonsense".to_owned(),
            PING.to_owned(),
        ];
        let (ids, answered) = heard(lines.join("\n").into_bytes()).await;
        assert_eq!(ids, [json!(1), json!(1), json!("\u{FFFD}"), json!(1)]);
        let answered: Vec<_> = answered.iter().map(|answer| answer["id"].clone()).collect();
        assert_eq!(answered, [json!("long"), json!(2), Value::Null]);
    }

    #[tokio::test]
    async fn messages_that_stand_together_on_a_line_are_each_served_or_answered() {
        let two = PING.replace('1', "2");
        for between in ["", " ", "\r"] {
            let (ids, answered) = heard(format!("{PING}{between}{two}\n{PING}").into_bytes()).await;
            assert_eq!(
                (ids, answered.len()),
                (vec![json!(1), json!(2), json!(1)], 0)
            );
        }
        let damaged = r#"{"jsonrpc":"2.0","id":3,"method":NaN}"#;
        let (ids, answered) = heard(format!("{PING}{damaged}{two}\r{PING}").into_bytes()).await;
        assert_eq!(ids, [json!(1), json!(1)]);
        let answered: Vec<_> = answered.iter().map(|answer| answer["id"].clone()).collect();
        assert_eq!(answered, [json!(3), json!(2)]);
    }

    #[tokio::test]
    async fn a_last_line_that_was_cut_off_is_answered() {
        let (ids, answered) = heard(br#"{"jsonrpc":"2.0","id":5,"method":"pi"#.to_vec()).await;
        assert!(ids.is_empty());
        assert_eq!(answered[0]["id"], 5);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_neither_lines_nor_answers() {
        let (mut client, stdin) = duplex(1 << 10);
        let (stdout, answers) = duplex(16);
        let mut transport = StdioTransport::new(stdin, stdout);
        let mut answers = BufReader::new(answers).lines();
        client.write_all(b"nonsense\n{\"jsonrpc\":").await.unwrap();
        // Nobody reads the answer yet, and the next line is half.
        for _ in 0..3 {
            let waiting = std::pin::pin!(transport.receive());
            assert!(futures::poll!(waiting).is_pending());
        }
        client.write_all(&PING.as_bytes()[11..]).await.unwrap();
        client.write_all(b"\n").await.unwrap();
        let (message, answer) = tokio::join!(transport.receive(), answers.next_line());
        let answer: Value = serde_json::from_str(&answer.unwrap().unwrap()).unwrap();
        assert!(
            message.is_some() && answer["error"]["code"] == -32700,
            "{answer}"
        );
    }
}
