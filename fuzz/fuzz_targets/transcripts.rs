//! A transcript of Claude Code: any bytes give the same events each time, or are refused.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use shim_claude_code::transcript::{Limits, read};

fuzz_target!(|transcript: &[u8]| {
    let Ok(mut file) = tempfile::NamedTempFile::new() else {
        return;
    };
    if file.write_all(transcript).is_err() {
        return;
    }
    // Small limits, so that the cuts are reached.
    let limits = Limits {
        head_bytes: 2_000,
        tail_bytes: 20_000,
        line_bytes: 10_000,
        events: 50,
        ..Limits::default()
    };
    if let Ok(told) = read(file.path(), &limits) {
        assert!(read(file.path(), &limits).is_ok_and(|again| again == told));
        assert!(told.events.len() <= limits.events + 1);
    }
});
