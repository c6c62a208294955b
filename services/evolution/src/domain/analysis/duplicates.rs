//! Code that stands at several places: the same tokens, whatever the white space and the comments between them.

use std::collections::{BTreeMap, HashMap};

use shim_proto::evolution::v1::{Duplicate, Location};

use super::facts::Tokens;
use super::fingerprints::{GRAM, MIN_TOKENS};
use super::places::{number, whole_line};

/// The fewest lines of a duplicate.
pub(crate) const MIN_LINES: u32 = 5;

/// What stands at more places than these is told with these.
const MAX_PLACES: usize = 50;
const MAX_DUPLICATES: usize = 1_000;

/// A file and its tokens.
pub(crate) struct Source<'a> {
    /// Its path.
    pub(crate) path: &'a str,
    /// Its tokens.
    pub(crate) tokens: &'a Tokens,
}

/// Tokens `from..from + length` of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Range {
    file: usize,
    from: usize,
    length: usize,
}

impl Range {
    fn holds(&self, other: &Self) -> bool {
        self.file == other.file
            && self.from <= other.from
            && other.from + other.length <= self.from + self.length
    }
}

/// The duplicates of the files, the largest first. Files are in the order of their paths, so that the answer does not hang on
/// the order they were read in.
pub(crate) fn duplicates(sources: &[Source<'_>]) -> Vec<Duplicate> {
    let mut found = Found::default();
    for bucket in buckets(sources) {
        compare(sources, &bucket, &mut found);
    }
    let mut duplicates: Vec<Duplicate> = found.groups(sources).collect();
    duplicates.sort_by(|one, other| {
        let weight =
            |duplicate: &Duplicate| u64::from(duplicate.tokens) * duplicate.locations.len() as u64;
        let place = |duplicate: &Duplicate| {
            duplicate
                .locations
                .first()
                .map(|first| (first.path.clone(), first.line))
        };
        weight(other)
            .cmp(&weight(one))
            .then_with(|| place(one).cmp(&place(other)))
    });
    duplicates.truncate(MAX_DUPLICATES);
    duplicates
}

/// Places with the same fingerprint, for each fingerprint that has two or more.
fn buckets(sources: &[Source<'_>]) -> Vec<Vec<(usize, usize)>> {
    let mut marks: Vec<(u64, usize, usize)> = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        marks.extend(
            source
                .tokens
                .marks
                .iter()
                .map(|(hash, at)| (*hash, file, *at as usize)),
        );
    }
    marks.sort_unstable();
    let same = marks
        .chunk_by(|one, other| one.0 == other.0)
        .filter(|bucket| bucket.len() > 1);
    let mut buckets: Vec<Vec<(usize, usize)>> = same
        .map(|bucket| {
            bucket
                .iter()
                .take(MAX_PLACES)
                .map(|(_, file, at)| (*file, *at))
                .collect()
        })
        .collect();
    buckets.sort_unstable();
    buckets
}

#[derive(Default)]
struct Found {
    /// For two files and the distance between the places, up to which token of the first they are compared already.
    compared: HashMap<(usize, usize, isize), usize>,
    pairs: Vec<(Range, Range)>,
}

/// Compares the first place of a bucket with the others, as far as they are equal to both sides.
fn compare(sources: &[Source<'_>], bucket: &[(usize, usize)], found: &mut Found) {
    let Some(((file, at), others)) = bucket.split_first() else {
        return;
    };
    for (other_file, other_at) in others {
        let distance = other_at.cast_signed() - at.cast_signed();
        let key = (*file, *other_file, distance);
        if found.compared.get(&key).is_some_and(|end| at < end) {
            continue;
        }
        let Some((one, other)) = extended(sources, (*file, *at), (*other_file, *other_at)) else {
            continue;
        };
        found.compared.insert(key, one.from + one.length);
        if one.length >= MIN_TOKENS && lines(sources, &one) >= MIN_LINES {
            found.pairs.push((one, other));
        }
    }
}

fn extended(
    sources: &[Source<'_>],
    one: (usize, usize),
    other: (usize, usize),
) -> Option<(Range, Range)> {
    let (left, right) = (
        &sources[one.0].tokens.hashes,
        &sources[other.0].tokens.hashes,
    );
    let before = left[..one.1]
        .iter()
        .rev()
        .zip(right[..other.1].iter().rev());
    let before = before.take_while(|(a, b)| a == b).count();
    let after = left[one.1..].iter().zip(&right[other.1..]);
    let after = after.take_while(|(a, b)| a == b).count();
    let mut length = before + after;
    if one.0 == other.0 {
        // Within one file the second place begins after the first.
        length = length.min(one.1.abs_diff(other.1));
    }
    let range = |(file, at): (usize, usize)| Range {
        file,
        from: at - before,
        length,
    };
    (after >= GRAM).then(|| (range(one), range(other)))
}

impl Found {
    /// Pairs with the same first place are one duplicate; what lies within another one is none.
    fn groups(mut self, sources: &[Source<'_>]) -> impl Iterator<Item = Duplicate> {
        self.pairs.sort_unstable_by(|one, other| {
            other
                .0
                .length
                .cmp(&one.0.length)
                .then_with(|| one.cmp(other))
        });
        self.pairs.dedup();
        let mut kept: BTreeMap<Range, Vec<Range>> = BTreeMap::new();
        let mut holders: HashMap<(usize, usize), Vec<(Range, Range)>> = HashMap::new();
        for (one, other) in self.pairs {
            let key = (one.file.min(other.file), one.file.max(other.file));
            let holders = holders.entry(key).or_default();
            let is_within = |(a, b): &(Range, Range)| {
                a.holds(&one) && b.holds(&other) || a.holds(&other) && b.holds(&one)
            };
            if !holders.iter().any(is_within) {
                holders.push((one, other));
                kept.entry(one).or_default().push(other);
            }
        }
        kept.into_iter()
            .map(|(first, others)| duplicate(sources, first, others))
    }
}

fn duplicate(sources: &[Source<'_>], first: Range, mut others: Vec<Range>) -> Duplicate {
    others.sort_unstable();
    others.dedup();
    let places = std::iter::once(first).chain(others);
    Duplicate {
        locations: places.map(|range| location(sources, &range)).collect(),
        lines: lines(sources, &first),
        tokens: number(first.length),
    }
}

fn location(sources: &[Source<'_>], range: &Range) -> Location {
    let source = &sources[range.file];
    let (start, end) = ends(sources, range);
    whole_line(source.path, start, end)
}

fn lines(sources: &[Source<'_>], range: &Range) -> u32 {
    let (start, end) = ends(sources, range);
    end.saturating_sub(start) + 1
}

fn ends(sources: &[Source<'_>], range: &Range) -> (u32, u32) {
    let lines = &sources[range.file].tokens.lines;
    let line = |at: usize| lines.get(at).copied().unwrap_or(1);
    (
        line(range.from),
        line((range.from + range.length).saturating_sub(1)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ten tokens in each line.
    fn tokens(hashes: &[u32]) -> Tokens {
        let mut tokens = Tokens::default();
        for (at, hash) in hashes.iter().enumerate() {
            tokens.push(*hash, number(at / 10 + 1));
        }
        tokens.seal();
        tokens
    }

    /// Tokens and places of a duplicate.
    type FoundDuplicate = (u32, Vec<(String, u32, u32)>);

    fn found(files: &[(&str, &Tokens)]) -> Vec<FoundDuplicate> {
        let sources: Vec<Source<'_>> = files
            .iter()
            .map(|(path, tokens)| Source { path, tokens })
            .collect();
        let parts = |duplicate: Duplicate| {
            let places = duplicate
                .locations
                .into_iter()
                .map(|place| (place.path, place.line, place.end_line));
            (duplicate.tokens, places.collect())
        };
        duplicates(&sources).into_iter().map(parts).collect()
    }

    #[test]
    fn one_duplicate_names_all_of_its_places() {
        let shared: Vec<u32> = (1_000..1_060).collect();
        let file = |seed: u32| {
            tokens(
                &[
                    &(seed..seed + 30).collect::<Vec<_>>()[..],
                    &shared,
                    &[seed + 500],
                ]
                .concat(),
            )
        };
        let (a, b, c) = (file(1), file(100), file(200));
        let duplicates = found(&[("a", &a), ("b", &b), ("c", &c)]);
        let place = |path: &str| (path.to_owned(), 4, 9);
        assert_eq!(duplicates, [(60, vec![place("a"), place("b"), place("c")])]);
    }

    #[test]
    fn what_repeats_within_one_file_does_not_overlap_itself() {
        let table = tokens(&[7; 400]);
        for (length, places) in found(&[("table", &table)]) {
            assert!(length <= 200, "{length}");
            assert!(places.len() > 1);
        }
        let block: Vec<u32> = (0..70).collect();
        let twice = tokens(&[&block[..], &[999; 10], &block].concat());
        assert_eq!(found(&[("twice", &twice)])[0].0, 70);
    }

    #[test]
    fn less_than_the_least_is_none() {
        let shared: Vec<u32> = (0..u32::try_from(MIN_TOKENS - 1).unwrap()).collect();
        let (a, b) = (tokens(&shared), tokens(&shared));
        assert!(found(&[("a", &a), ("b", &b)]).is_empty());
    }

    proptest! {
        #[test]
        fn fifty_shared_tokens_are_always_found(
            left in proptest::collection::vec(0_u32..1_000, 0..90),
            right in proptest::collection::vec(1_000_u32..2_000, 0..90),
            shared in proptest::collection::vec(2_000_u32..1_000_000, MIN_TOKENS..120),
        ) {
            let a = tokens(&[&left[..], &shared].concat());
            let b = tokens(&[&right[..], &shared].concat());
            let duplicates = found(&[("a", &a), ("b", &b)]);
            let longest = duplicates.iter().map(|(tokens, _)| *tokens).max();
            prop_assert_eq!(longest, Some(number(shared.len())));
        }

        #[test]
        fn any_tokens_are_compared_without_a_fault(files in proptest::collection::vec(proptest::collection::vec(0_u32..3, 0..300), 0..4)) {
            let files: Vec<Tokens> = files.iter().map(|file| tokens(file)).collect();
            let named: Vec<(&str, &Tokens)> = files.iter().map(|file| ("f", file)).collect();
            for (length, places) in found(&named) {
                prop_assert!(length as usize >= MIN_TOKENS && places.len() > 1);
            }
        }
    }
}
