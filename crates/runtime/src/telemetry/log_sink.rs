//! Log lines that cost nobody anything when they cannot be written: the disk of a log is full, its reader is gone.
//!
//! (A) Writing a line never fails and never panics, so no thread ends for its log.
//! (B) A line that could not be written is counted, and the first line that can be written again is preceded by the number.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that never fail over those of another maker. The log's formatter writes a line in one piece.
#[derive(Debug)]
pub(super) struct UnfailingMakeWriter<M> {
    inner: M,
    /// Lines that were lost since the last one that was written.
    lost: AtomicU64,
    /// The line that says how many were lost, with its line break.
    notice: fn(u64) -> String,
}

impl<M> UnfailingMakeWriter<M> {
    pub(super) fn new(inner: M, notice: fn(u64) -> String) -> Self {
        Self {
            inner,
            lost: AtomicU64::new(0),
            notice,
        }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for UnfailingMakeWriter<M> {
    type Writer = UnfailingWriter<'a, M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        UnfailingWriter {
            inner: self.inner.make_writer(),
            lost: &self.lost,
            notice: self.notice,
        }
    }
}

/// Writes one line, or counts it.
#[derive(Debug)]
pub(super) struct UnfailingWriter<'a, W> {
    inner: W,
    lost: &'a AtomicU64,
    notice: fn(u64) -> String,
}

impl<W: Write> Write for UnfailingWriter<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            // The line break ends a line of which only a part was written.
            let notice = format!("\n{}", (self.notice)(lost));
            if self.inner.write_all(notice.as_bytes()).is_err() {
                self.lost.fetch_add(lost + 1, Ordering::Relaxed);
                return Ok(line.len());
            }
        }
        if self.inner.write_all(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.inner.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::prelude::*;

    use super::*;

    /// A disk that may be full: it takes half of a line then, as `write(2)` does at the end of a disk.
    #[derive(Clone, Default)]
    struct Disk {
        is_full: Arc<AtomicBool>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.written.lock().unwrap();
            if self.is_full.load(Ordering::SeqCst) {
                if written.last() == Some(&b'\n') && bytes.len() > 1 {
                    written.extend(&bytes[..bytes.len() / 2]);
                    return Ok(bytes.len() / 2);
                }
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_told_later() {
        let disk = Disk::default();
        let writers = {
            let disk = disk.clone();
            UnfailingMakeWriter::new(move || disk.clone(), |lost| format!("{lost} lost\n"))
        };
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .log_internal_errors(false)
            .with_writer(writers);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("before");
            disk.is_full.store(true, Ordering::SeqCst);
            for number in 0..3 {
                tracing::error!(number, "the disk is full");
            }
            disk.is_full.store(false, Ordering::SeqCst);
            tracing::info!("after");
            tracing::info!("again");
        });
        let text = String::from_utf8(disk.written.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[1].starts_with("ERROR"), "the part of a line: {text}");
        assert_eq!(
            [lines[0], lines[2], lines[3], lines[4]],
            ["INFO before", "3 lost", "INFO after", "INFO again"]
        );
    }
}
