//! How single values cross between Rust and a script, where MessagePack and Lua differ.
//!
//! Lua's numbers are doubles, exact up to 2^53, and Redis keeps numbers as texts. A hash or a sorted set with scores arrives
//! as one flat list.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// A value that the script sees as a text; read back from a text or a number. For `#[serde(with = "as_text")]`.
pub(crate) mod as_text {
    use std::fmt::{self, Display};
    use std::marker::PhantomData;
    use std::str::FromStr;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }

    struct TextVisitor<T>(PhantomData<T>);

    impl<T: FromStr> Visitor<'_> for TextVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or an integer")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse()
                .map_err(|_| E::custom(format_args!("{text:?} cannot be read")))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }
}

/// A flat list of names and values by turns: a hash, the fields of a stream's event, or members with their scores.
#[derive(Debug)]
pub(crate) struct Pairs<N, V>(pub(crate) Vec<(N, V)>);

impl<'de, N: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<N, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<N, V>(PhantomData<(N, V)>);

impl<'de, N: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<N, V> {
    type Value = Pairs<N, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names and values by turns")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(items.size_hint().unwrap_or_default() / 2);
        while let Some(name) = items.next_element()? {
            let value = items.next_element()?;
            pairs.push((name, value.ok_or_else(|| missing_value(pairs.len()))?));
        }
        Ok(Pairs(pairs))
    }
}

fn missing_value<E: serde::de::Error>(pairs: usize) -> E {
    E::custom(format_args!(
        "no value follows the name after {pairs} pairs"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Serialize;
    use serde_bytes::ByteBuf;
    use shim_runtime::ids::FencingToken;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Numbers {
        #[serde(with = "as_text")]
        token: FencingToken,
        #[serde(with = "as_text")]
        at_ms: i64,
    }

    #[test]
    fn a_number_beyond_doubles_crosses_as_a_text() {
        let numbers = Numbers {
            token: FencingToken(u64::MAX),
            at_ms: -1,
        };
        let packed = rmp_serde::to_vec_named(&numbers).unwrap();
        assert!(packed.windows(20).any(|w| w == b"18446744073709551615"));
        assert_eq!(rmp_serde::from_slice::<Numbers>(&packed).unwrap(), numbers);
    }

    #[test]
    fn a_number_that_lua_packed_as_an_integer_is_read_too() {
        let packed = rmp_serde::to_vec(&(1_u64 << 40, 7_u8)).unwrap();
        let read: Numbers = rmp_serde::from_slice(&packed).unwrap();
        assert_eq!((read.token, read.at_ms), (FencingToken(1 << 40), 7));
    }

    #[test]
    fn bytes_that_are_no_text_arrive_though_lua_packs_them_as_a_text() {
        // Redis's cmsgpack marks every string of Lua as a text: here {"a", "\xff\x00"}.
        let packed = [0x92, 0xa1, b'a', 0xa2, 0xff, 0x00];
        let Pairs(pairs) = rmp_serde::from_slice::<Pairs<String, ByteBuf>>(&packed).unwrap();
        assert_eq!(pairs, [("a".to_owned(), ByteBuf::from([0xff, 0x00]))]);
    }

    #[test]
    fn a_name_without_a_value_is_refused() {
        let packed = rmp_serde::to_vec(&["a", "1", "b"]).unwrap();
        rmp_serde::from_slice::<Pairs<String, String>>(&packed).unwrap_err();
    }
}
