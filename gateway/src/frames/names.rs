//! Names that became the same when half characters were replaced: one of their values would be lost without a word.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether two fields of one object share a name that lost a half character. `repaired` is valid JSON.
pub(super) fn has_shared_name(repaired: &str) -> bool {
    serde_json::from_str::<DistinctNames>(repaired).is_err()
}

const SHARED: &str = "two fields have the same name";

struct DistinctNames;

impl<'de> Deserialize<'de> for DistinctNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = DistinctNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DistinctNames, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<DistinctNames>()?;
            if name.contains(char::REPLACEMENT_CHARACTER) && !seen.insert(name) {
                return Err(A::Error::custom(SHARED));
            }
        }
        Ok(DistinctNames)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<DistinctNames, A::Error> {
        while items.next_element::<DistinctNames>()?.is_some() {}
        Ok(DistinctNames)
    }

    fn visit_bool<E>(self, _: bool) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_i64<E>(self, _: i64) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_u64<E>(self, _: u64) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_f64<E>(self, _: f64) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_str<E>(self, _: &str) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_unit<E>(self) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }
}
