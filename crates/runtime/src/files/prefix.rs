//! The names that begin every path of a pattern, by which a table of patterns finds those that may overlap one.
//!
//! Two patterns overlap only if, for some alternative of each, one's prefix begins with the other's: up to the end of the
//! shorter prefix both spell every name out, and a spelled-out name fits itself alone.

use super::glob::{Pattern, spelled_out};
use super::glob_parts::{Piece, Readings};

/// The end of a name in a prefix; no name contains it.
const END: char = '\0';

impl Pattern {
    /// For each alternative of its braces, the names at the front that are spelled out and can mean nothing else, each with
    /// a NUL behind it. Empty if the first name stands for several.
    #[must_use]
    pub fn prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<_> = self.routes().iter().map(|route| prefix(route)).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    }
}

fn prefix(route: &[Piece<Readings>]) -> String {
    let mut prefix = String::new();
    for piece in route {
        let Piece::One(readings) = piece else { break };
        let [name] = readings.as_slice() else { break };
        let Some(name) = spelled_out(name) else { break };
        prefix.push_str(&name);
        prefix.push(END);
    }
    prefix
}

/// The prefixes that begin a prefix, from the empty one to itself.
pub fn beginnings(prefix: &str) -> impl Iterator<Item = &str> {
    let ends = prefix.match_indices(END).map(|(at, end)| at + end.len());
    std::iter::once(0).chain(ends).map(|end| &prefix[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::files::Budget;

    fn prefixes(text: &str) -> Vec<String> {
        Pattern::parse(text).unwrap().prefixes()
    }

    #[test]
    fn a_prefix_ends_before_the_first_name_that_stands_for_several() {
        assert_eq!(prefixes("src/a.rs"), ["src\0a.rs\0"]);
        assert_eq!(prefixes("src"), ["src\0"]);
        assert_eq!(prefixes("src/*.rs"), ["src\0"]);
        assert_eq!(prefixes("src/**/a.rs"), ["src\0"]);
        assert_eq!(prefixes("**/*.rs"), [""]);
        let found: Vec<_> = beginnings("src\0a.rs\0").collect();
        assert_eq!(found, ["", "src\0", "src\0a.rs\0"]);
    }

    fn may_overlap(one: &Pattern, other: &Pattern) -> bool {
        let others = other.prefixes();
        one.prefixes().iter().any(|one| {
            others
                .iter()
                .any(|other| one.starts_with(other.as_str()) || other.starts_with(one.as_str()))
        })
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab]{1,2}",
            "[ab]\\.r",
            Just("*".to_owned()),
            Just("**".to_owned()),
            Just("a*".to_owned()),
            Just("*.r".to_owned()),
            Just("[ab]".to_owned()),
            Just("{a,b}".to_owned()),
            Just("{a,b.r}".to_owned()),
            Just("?".to_owned()),
        ]
    }

    fn pattern() -> impl Strategy<Value = String> {
        (prop::collection::vec(name(), 1..5), any::<bool>()).prop_map(|(names, slash)| {
            format!("{}{}", names.join("/"), if slash { "/" } else { "" })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn no_overlap_is_hidden_by_the_prefixes(one in pattern(), other in pattern()) {
            let (Ok(one), Ok(other)) = (Pattern::parse(&one), Pattern::parse(&other)) else {
                return Ok(());
            };
            if one.overlaps(&other, &mut Budget::per_decision()) {
                prop_assert!(may_overlap(&one, &other), "{one} and {other}");
            }
        }
    }
}
