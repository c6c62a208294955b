//! The way of log lines to stderr: a bounded queue, and one thread that writes.
//!
//! (A) Logging never waits: a line that finds the queue full is dropped and counted, as when nobody reads the pipe that
//! stderr is. (B) What was dropped is said once lines are written again. (C) The end of the process waits for the last
//! lines for a bounded time. (D) A line that cannot be written, as on a full disk, is dropped too, and the thread goes on.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metrics::counter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for the writer take so many bytes at most.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// What a line takes beside its text, roughly.
const LINE_BYTES: usize = 64;
/// A pipe that its owner made non-blocking is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(20);

const DROPPED: &str = "shim_log_lines_dropped_total";

/// The queue. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The writer has a line in its hands.
    is_writing: bool,
    /// Lines lost since it was last said.
    dropped: u64,
}

impl LogQueue {
    /// Starts the thread that writes to `out`. It lives as long as the process.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start_writer(&self, out: impl Write + Send + 'static) -> io::Result<()> {
        let queue = self.clone();
        let writer = thread::Builder::new().name("log".to_owned());
        writer.spawn(move || queue.write_all_lines(out)).map(drop)
    }

    /// Waits until every line is written, for `timeout` at most.
    pub(super) fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut waiting = self.waiting();
        while waiting.is_writing || !waiting.lines.is_empty() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return;
            };
            let woken = self.0.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        let bytes = line.len() + LINE_BYTES;
        if waiting.bytes + bytes > MAX_WAITING_BYTES {
            waiting.count_dropped();
            return;
        }
        waiting.bytes += bytes;
        waiting.lines.push_back(line.to_vec());
        drop(waiting);
        self.0.changed.notify_all();
    }

    fn write_all_lines(&self, mut out: impl Write) {
        let mut is_torn = false;
        loop {
            let line = self.next_line();
            match write_line(&mut out, &line, &mut is_torn) {
                Ok(()) => self.say_what_was_dropped(),
                Err(_) => self.waiting().count_dropped(),
            }
        }
    }

    fn next_line(&self) -> Vec<u8> {
        let mut waiting = self.waiting();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len() + LINE_BYTES;
                waiting.is_writing = true;
                return line;
            }
            waiting.is_writing = false;
            self.0.changed.notify_all();
            let woken = self.0.changed.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Once half of the queue is free, so that what is said is not lost, too.
    fn say_what_was_dropped(&self) {
        let mut waiting = self.waiting();
        if waiting.dropped == 0 || waiting.bytes > MAX_WAITING_BYTES / 2 {
            return;
        }
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        tracing::warn!(
            dropped,
            "log lines were lost: stderr was not read, or the log could not be written"
        );
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn count_dropped(&mut self) {
        self.dropped += 1;
        counter!(DROPPED).increment(1);
    }
}

/// Writes a line; one that was cut off before ends first.
fn write_line(out: &mut impl Write, line: &[u8], is_torn: &mut bool) -> io::Result<()> {
    if *is_torn {
        write_whole(out, b"\n", &mut false)?;
        *is_torn = false;
    }
    write_whole(out, line, is_torn)
}

/// As `write_all`, but waits for a non-blocking pipe, and tells whether it stopped in the middle.
fn write_whole(out: &mut impl Write, mut bytes: &[u8], is_torn: &mut bool) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                *is_torn = !bytes.is_empty();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_AFTER),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogQueue {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::net::UnixStream;

    use tracing_subscriber::fmt::format;
    use tracing_subscriber::prelude::*;

    use super::*;

    fn subscriber(queue: &LogQueue) -> impl tracing::Subscriber + Send + Sync + use<> {
        let lines = tracing_subscriber::fmt::layer()
            .event_format(format().with_ansi(false))
            .with_writer(queue.clone());
        tracing_subscriber::registry().with(lines)
    }

    /// More than queue and pipe take, without a reader; every call returns.
    #[test]
    fn a_pipe_that_nobody_reads_costs_lines_and_no_time_and_the_loss_is_counted() {
        let (reader, pipe) = UnixStream::pair().unwrap();
        let queue = LogQueue::default();
        queue.start_writer(pipe).unwrap();
        for number in 0..100_000 {
            queue.push(format!("line {number} {}\n", "x".repeat(100)).as_bytes());
        }
        let dropped = queue.waiting().dropped;
        assert!(dropped > 50_000 && queue.waiting().bytes <= MAX_WAITING_BYTES);
        queue.flush(Duration::from_millis(10));
        assert!(
            !queue.waiting().lines.is_empty(),
            "the end does not wait for a reader"
        );

        let whole = usize::try_from(100_000 - dropped).unwrap();
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        let numbers: Vec<u32> = lines
            .take(whole)
            .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
            .collect();
        assert!(numbers.is_sorted() && numbers.len() == whole);
        assert_eq!(queue.waiting().bytes, 0);
    }

    /// What the writer thread says goes through the subscriber of the process, so the thread gets one here.
    #[test]
    fn what_was_dropped_is_said_when_there_is_room_again() {
        let queue = LogQueue::default();
        let (mut reader, mut pipe) = UnixStream::pair().unwrap();
        queue.waiting().dropped = 7;
        let said = queue.clone();
        tracing::subscriber::with_default(subscriber(&queue), || {
            write_line(&mut pipe, b"first\n", &mut false).unwrap();
            said.say_what_was_dropped();
            said.say_what_was_dropped();
        });
        queue.start_writer(pipe).unwrap();
        queue.flush(Duration::from_secs(30));
        let mut text = [0; 4_096];
        let length = reader.read(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        assert_eq!(text.matches("dropped=7").count(), 1, "{text}");
        assert_eq!(queue.waiting().dropped, 0);
    }

    struct FullDisk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.written.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_spoil_the_next_one() {
        let (mut disk, mut is_torn) = (
            FullDisk {
                room: 3,
                written: Vec::new(),
            },
            false,
        );
        assert!(write_line(&mut disk, b"first\n", &mut is_torn).is_err());
        assert!(write_line(&mut disk, b"second\n", &mut is_torn).is_err());
        disk.room = 100;
        write_line(&mut disk, b"third\n", &mut is_torn).unwrap();
        assert_eq!(disk.written, b"fir\nthird\n");
    }
}
