//! The column `state` of a checkpoint: one zstd frame of the whole encoded state, or a layout that names the segments it
//! shares with the checkpoints before, and one zstd frame of the rest.
//!
//! A layout begins with a byte that no zstd frame begins with, and the first bytes of its own BLAKE3: what decides which segments
//! are in use must not be believed with a flipped bit in it. Whether the state is whole is told by the state's hash.

use prost::encoding::encode_varint;

use crate::domain::hash_chain;
use crate::domain::segments::varint;

/// The first byte of a layout.
pub(super) const MARK: u8 = 1;
const CHECK_BYTES: usize = 8;

/// A part of a state, in the state's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// So many bytes of the frame; closed pieces may become segments.
    Inline { bytes: usize, is_closed: bool },
    /// The segment in this row.
    Segment(i64),
}

/// The column `state`, read.
#[derive(Debug)]
pub(crate) enum StateColumn<'a> {
    /// One frame.
    Whole(&'a [u8]),
    /// The parts, and the frame of what is inline.
    Parts(Vec<Part>, &'a [u8]),
    /// A layout that is not as it was written.
    Damaged,
}

/// Reads the column.
pub(crate) fn read(column: &[u8]) -> StateColumn<'_> {
    if column.first() != Some(&MARK) {
        return StateColumn::Whole(column);
    }
    read_parts(&column[1..]).map_or(StateColumn::Damaged, |(parts, frame)| {
        StateColumn::Parts(parts, frame)
    })
}

/// The column of these parts; `frame` holds what is inline.
pub(crate) fn write(parts: &[Part], frame: &[u8]) -> Vec<u8> {
    let mut layout = Vec::with_capacity(2 * parts.len() + 8);
    encode_varint(parts.len() as u64, &mut layout);
    let mut before = 0;
    for part in parts {
        encode_varint(to_number(part, &mut before), &mut layout);
    }
    let mut column = Vec::with_capacity(1 + CHECK_BYTES + layout.len() + frame.len());
    column.push(MARK);
    column.extend_from_slice(&check(&layout));
    column.extend_from_slice(&layout);
    column.extend_from_slice(frame);
    column
}

fn read_parts(bytes: &[u8]) -> Option<(Vec<Part>, &[u8])> {
    let (expected, rest) = bytes.split_at_checked(CHECK_BYTES)?;
    let (count, mut at) = varint(rest, 0)?;
    // Each part takes a byte at least, so a damaged count does not cost a large buffer.
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= rest.len())?;
    let (mut parts, mut before) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        let (number, end) = varint(rest, at)?;
        parts.push(to_part(number, &mut before)?);
        at = end;
    }
    let (layout, frame) = rest.split_at_checked(at)?;
    (check(layout) == *expected).then_some((parts, frame))
}

fn check(layout: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash_chain::hash(layout)[..CHECK_BYTES]);
    check
}

/// Segments are told by the distance to the one before: those written together lie together.
fn to_number(part: &Part, before: &mut i64) -> u64 {
    match part {
        Part::Inline { bytes, is_closed } => (*bytes as u64) << 2 | u64::from(*is_closed) << 1,
        Part::Segment(row) => {
            let distance = row.wrapping_sub(*before);
            *before = *row;
            ((distance << 1) ^ (distance >> 63)).cast_unsigned() << 1 | 1
        }
    }
}

fn to_part(number: u64, before: &mut i64) -> Option<Part> {
    if number & 1 == 0 {
        return Some(Part::Inline {
            bytes: usize::try_from(number >> 2).ok()?,
            is_closed: number & 2 != 0,
        });
    }
    let zigzag = number >> 1;
    let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    *before = before.checked_add(distance)?;
    Some(Part::Segment(*before))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_layout_survives_and_no_flipped_bit_in_it_does() {
        let inline = |bytes, is_closed| Part::Inline { bytes, is_closed };
        let parts = [
            inline(3_000_000, true),
            Part::Segment(900_000_000),
            Part::Segment(5),
            Part::Segment(6),
            inline(7, false),
        ];
        let column = write(&parts, b"frame");
        match read(&column) {
            StateColumn::Parts(seen, b"frame") => assert_eq!(seen, parts),
            other => panic!("{other:?}"),
        }
        for bit in 0..(column.len() - b"frame".len()) * 8 {
            let mut damaged = column.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match read(&damaged) {
                // Only the first byte says which kind it is; the state's hash tells.
                StateColumn::Whole(_) => assert!(bit < 8),
                StateColumn::Damaged => {}
                StateColumn::Parts(..) => panic!("bit {bit} was not seen"),
            }
        }
    }
}
