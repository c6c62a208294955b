//! zstd frames of states and segments.

use std::cell::RefCell;
use std::io;

use shim_proto::limits::checkpoint::MAX_KEPT_STATE_BYTES;

thread_local! {
    /// A zstd context costs more to make than a small state to compress.
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Costs about 3 ms for 1 MiB at level 1: not for the writer's thread.
pub(super) fn compress(bytes: &[u8], level: u32) -> io::Result<Vec<u8>> {
    #[cfg(test)]
    super::packing_test::note_thread();
    let level = i32::try_from(level).unwrap_or(1);
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(of, _)| *of != level) {
            *slot = Some((level, zstd::bulk::Compressor::new(level)?));
        }
        match slot {
            Some((_, compressor)) => compressor.compress(bytes),
            None => zstd::bulk::compress(bytes, level),
        }
    })
}

/// What a frame holds; `None` if it is damaged, or holds more than a state may.
pub(super) fn decompress(frame: &[u8]) -> Option<Vec<u8>> {
    let size = MAX_KEPT_STATE_BYTES.min(claimed_size(frame)?);
    let decompressed = DECOMPRESSOR.with_borrow_mut(|slot| match slot {
        Some(decompressor) => decompressor.decompress(frame, size),
        None => slot
            .insert(zstd::bulk::Decompressor::new()?)
            .decompress(frame, size),
    });
    decompressed.ok()
}

/// The size a frame claims, so that a small state does not cost a large buffer.
fn claimed_size(frame: &[u8]) -> Option<usize> {
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok()??;
    usize::try_from(size).ok()
}
