//! Packing the arguments of a script as its Lua reads them.
//!
//! The library in Redis knows the format of before 2013 (<https://github.com/antirez/lua-cmsgpack>): a text may hold any
//! bytes, and there is no type for binary data. So binary data goes as a text.

use serde::Serialize;

/// Packs a struct as a map of its fields' names.
///
/// # Errors
/// If its `Serialize` fails.
pub(crate) fn pack(args: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut packed = rmp_serde::to_vec_named(args)?;
    turn_binary_into_text(&mut packed);
    Ok(packed)
}

/// Binary data and a text of the same length differ in their markers alone
/// (<https://github.com/msgpack/msgpack/blob/master/spec.md>).
fn turn_binary_into_text(packed: &mut [u8]) {
    let mut at = 0;
    while let Some(marker) = packed.get_mut(at) {
        if matches!(marker, 0xc4..=0xc6) {
            *marker += 0xd9 - 0xc4;
        }
        let marker = *marker;
        let length = |bytes: usize| {
            let length = packed.get(at + 1..at + 1 + bytes).unwrap_or_default();
            let number = length
                .iter()
                .fold(0, |number, byte| number << 8 | usize::from(*byte));
            bytes + number
        };
        // The members of an array or a map follow by themselves.
        at += 1 + match marker {
            0xa0..=0xbf => usize::from(marker & 0x1f),
            0xd9 => length(1),
            0xda => length(2),
            0xdb => length(4),
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 | 0xdc | 0xde => 2,
            0xce | 0xd2 | 0xca | 0xdd | 0xdf => 4,
            0xcf | 0xd3 | 0xcb => 8,
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_bytes::{ByteBuf, Bytes};

    use super::*;

    #[derive(Serialize)]
    struct Args<'a> {
        number: u64,
        text: &'a str,
        bytes: Vec<&'a Bytes>,
        cost: f64,
    }

    #[test]
    fn binary_data_becomes_text_and_all_else_stays() {
        let long = vec![0xc4; 70_000];
        let args = Args {
            number: 196,
            text: "ä\u{c4}",
            bytes: [&[][..], &[0xc4, 0xff], &[0xc5; 300], &long]
                .map(Bytes::new)
                .to_vec(),
            cost: 0.1,
        };
        let packed = pack(&args).unwrap();
        type Read = (u64, String, Vec<ByteBuf>, f64);
        #[derive(serde::Deserialize)]
        struct Named {
            number: u64,
            text: String,
            bytes: Vec<ByteBuf>,
            cost: f64,
        }
        let read: Named = rmp_serde::from_slice(&packed).unwrap();
        let read: Read = (read.number, read.text, read.bytes, read.cost);
        assert_eq!((read.0, read.1.as_str(), read.3), (196, args.text, 0.1));
        assert!(read.2.iter().zip(&args.bytes).all(|(a, b)| a == *b));
        let binary = rmp_serde::to_vec_named(&args).unwrap();
        assert_eq!(binary.len(), packed.len());
        assert_ne!(binary, packed);
    }
}
