//! One event as a line: a checksum and the event, encoded and without secrets.

use std::fs::OpenOptions;
use std::io::Result;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message;
use shim_proto::checkpoint::v1::{ObservationSource, ObservedEvent};
use shim_runtime::data_dir::{open_own, read_bounded};
use shim_runtime::redact;
use tonic::Status;

const EVENT: &str = "shim.checkpoint.v1.ObservedEvent";
/// Digits of the checksum in hex.
const DIGITS: usize = 16;
/// A file that is full, with a last event of the largest size, or one that is none of ours.
const MAX_READ_BYTES: u64 = 4 << 20;

/// What a file holds.
pub(super) struct FileRead {
    /// The events, in order.
    pub(super) events: Vec<ObservedEvent>,
    /// Lines that are torn or damaged.
    pub(super) skipped: u64,
}

/// The line of an event, which the spool is the source of from now on.
pub(super) fn line(event: &ObservedEvent) -> std::result::Result<Vec<u8>, Status> {
    let spooled = ObservedEvent {
        source: ObservationSource::Spool.into(),
        ..event.clone()
    };
    let clean = redact::message(spooled.encode_to_vec(), EVENT)?;
    let text = STANDARD_NO_PAD.encode(&clean);
    Ok(format!("{} {text}\n", checksum(&clean)).into_bytes())
}

/// The event of a line; `None` if the line is not as it was written.
pub(super) fn read(line: &[u8]) -> Option<ObservedEvent> {
    let (sum, text) = line.split_at_checked(DIGITS)?;
    let encoded = STANDARD_NO_PAD.decode(text.strip_prefix(b" ")?).ok()?;
    (sum == checksum(&encoded).as_bytes()).then_some(())?;
    ObservedEvent::decode(encoded.as_slice()).ok()
}

/// What a file holds.
pub(super) fn read_file(path: &Path) -> Result<FileRead> {
    let file = open_own(path, OpenOptions::new().read(true))?;
    let bytes = read_bounded(file, MAX_READ_BYTES).map_err(std::io::Error::other)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    let (mut events, mut skipped) = (Vec::new(), 0);
    for line in lines.filter(|line| !line.is_empty()) {
        match read(line) {
            Some(event) => events.push(event),
            None => skipped += 1,
        }
    }
    Ok(FileRead { events, skipped })
}

fn checksum(encoded: &[u8]) -> String {
    let mut digits = blake3::hash(encoded).to_hex().to_string();
    digits.truncate(DIGITS);
    digits
}
