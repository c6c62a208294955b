//! Texts and streams of bytes: what was redacted stays as it is, and no line is joined to another.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shim_runtime::redact;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let once = redact::text(text);
        assert_eq!(redact::text(&once), once, "a redacted text stays as it is");
    }
    let mut stream = redact::StreamRedactor::default();
    let size = usize::from(bytes.first().copied().unwrap_or(1)).max(1);
    for piece in bytes.chunks(size) {
        stream.push(piece);
    }
    stream.finish();
});
