//! Cutting an encoded state into pieces where its content says so, so that two states that share most items share most pieces.
//!
//! (A) The pieces in their order are the encoded state. (B) A closed piece ends behind an item of a repeated field whose own
//! hash marks it as an end: an item that is added, changed or taken away changes the piece that it stands in, and no other.
//! (C) An open piece ends because its field does, or is no list at all.

use std::ops::Range;

use super::hash_chain::{self, Hash};

/// How long closed pieces are in the mean, in bytes. The last piece of a list, which each save writes again, is as long.
pub(crate) const MEAN_BYTES: usize = 1_024;
/// A piece that no item ends before is closed here.
const MAX_BYTES: usize = 16 * MEAN_BYTES;

/// A part of an encoded state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    pub(crate) is_closed: bool,
}

/// The hash of a piece as a segment of the session in this row: a flipped bit in either shows.
pub(crate) fn piece_hash(session: i64, piece: &[u8]) -> Hash {
    hash_chain::next_hash(&session.to_le_bytes(), piece)
}

/// The pieces of an encoded message. Bytes that are no message are one open piece.
pub(crate) fn cut(encoded: &[u8]) -> Vec<Piece> {
    let mut cutting = Cutting::default();
    let (mut at, mut field_before) = (0, 0);
    while at < encoded.len() {
        let Some((field, end)) = next_field(encoded, at) else {
            cutting.end_open(at);
            break;
        };
        if field != field_before {
            cutting.end_open(at);
            field_before = field;
        }
        if ends_piece(&encoded[at..end]) || end - cutting.begin >= MAX_BYTES {
            cutting.end_closed(end);
        }
        at = end;
    }
    cutting.end_open(encoded.len());
    cutting.pieces
}

#[derive(Default)]
struct Cutting {
    pieces: Vec<Piece>,
    /// Where the piece begins that has no end yet.
    begin: usize,
}

impl Cutting {
    fn end_closed(&mut self, end: usize) {
        self.add(end, true);
    }

    /// Open pieces that follow each other are one.
    fn end_open(&mut self, end: usize) {
        match self.pieces.last_mut() {
            Some(last) if !last.is_closed => {
                last.range.end = end;
                self.begin = end;
            }
            _ => self.add(end, false),
        }
    }

    fn add(&mut self, end: usize, is_closed: bool) {
        if end > self.begin {
            let range = self.begin..end;
            self.pieces.push(Piece { range, is_closed });
            self.begin = end;
        }
    }
}

/// Whether an item ends a piece: each of its bytes does with the same chance, so that long items end more often.
fn ends_piece(item: &[u8]) -> bool {
    if item.len() >= MEAN_BYTES {
        return true;
    }
    let [a, b, c, d, ..] = hash_chain::hash(item);
    let drawn = u64::from(u32::from_le_bytes([a, b, c, d]));
    (drawn * MEAN_BYTES as u64) >> 32 < item.len() as u64
}

/// The number of the field at `at`, and where it ends. Groups, which no state has, are not known.
fn next_field(encoded: &[u8], at: usize) -> Option<(u64, usize)> {
    let (tag, at) = varint(encoded, at)?;
    let end = match tag & 7 {
        0 => varint(encoded, at)?.1,
        1 => at.checked_add(8)?,
        2 => {
            let (length, at) = varint(encoded, at)?;
            at.checked_add(usize::try_from(length).ok()?)?
        }
        5 => at.checked_add(4)?,
        _ => return None,
    };
    (end <= encoded.len()).then_some((tag >> 3, end))
}

/// The varint at `at`, and where it ends.
pub(crate) fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use prost::Message;
    use shim_proto::checkpoint::v1::CheckpointState;

    use super::*;

    fn state(decisions: Vec<String>) -> Vec<u8> {
        let state = CheckpointState {
            current_task: "task".into(),
            decisions,
            next_steps: vec!["a step".into()],
            ..Default::default()
        };
        state.encode_to_vec()
    }

    fn numbered(count: usize) -> Vec<String> {
        let text = |i| format!("decision {i}: {}", "because of what was seen ".repeat(6));
        (0..count).map(text).collect()
    }

    fn closed(encoded: &[u8]) -> HashSet<&[u8]> {
        let pieces = cut(encoded);
        let closed = pieces.into_iter().filter(|piece| piece.is_closed);
        closed.map(|piece| &encoded[piece.range]).collect()
    }

    #[test]
    fn an_insertion_shifts_nothing() {
        let before = numbered(1_000);
        for at in [0, 1, 500, 999] {
            let mut after = before.clone();
            after.insert(at, "something new".into());
            let (before, after) = (state(before.clone()), state(after));
            let (before, after) = (closed(&before), closed(&after));
            assert!(before.len() > 75, "{}", before.len());
            assert!(after.difference(&before).count() <= 2, "at {at}");
        }
    }

    #[test]
    fn what_is_cut_off_in_front_changes_one_piece() {
        let (before, after) = (numbered(1_000), numbered(1_000)[13..].to_vec());
        let (before, after) = (state(before), state(after));
        assert!(closed(&after).difference(&closed(&before)).count() <= 1);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole(bytes: Vec<u8>, decisions: Vec<String>) {
            for encoded in [bytes, state(decisions)] {
                let pieces = cut(&encoded);
                let joined: Vec<u8> = pieces.iter().flat_map(|piece| encoded[piece.range.clone()].to_vec()).collect();
                prop_assert_eq!(joined, encoded);
            }
        }
    }
}
