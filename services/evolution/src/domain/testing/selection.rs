//! Which tests stay: those that fail for a mutant that none of the kept ones fails for.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{Candidate, Claim};

/// The most tests of single calls, and the most properties, of one function: a reader goes through them all.
const MAX_CALLS: usize = 8;
/// Of a class, which has several methods.
const MAX_SEQUENCES: usize = 16;
const MAX_PROPERTIES: usize = 2;

/// Which mutants each test fails for.
pub(crate) type Kills = BTreeMap<u32, BTreeSet<u32>>;

/// Chooses among a function's tests that hold: the one that kills most of what is not killed yet, and of equals the plainest.
/// Properties are chosen apart, since they say more than the calls that kill the same.
pub(crate) fn choose<'a>(candidates: &[&'a Candidate], kills: &Kills) -> Vec<&'a Candidate> {
    let (properties, calls): (Vec<&Candidate>, Vec<&Candidate>) = candidates
        .iter()
        .copied()
        .partition(|candidate| candidate.is_property());
    let is_class = calls
        .iter()
        .any(|it| matches!(it.claim, Claim::Sequence(_)));
    let most = if is_class { MAX_SEQUENCES } else { MAX_CALLS };
    let mut chosen = cover(&calls, kills, most);
    let is_weak = |candidate: &&Candidate| {
        matches!(
            candidate.claim,
            Claim::Type { .. } | Claim::Integer { .. } | Claim::NotNegative { .. }
        )
    };
    let (weak, strong): (Vec<&Candidate>, Vec<&Candidate>) =
        properties.into_iter().partition(is_weak);
    let strong = cover(&strong, kills, MAX_PROPERTIES);
    let weak = if strong.is_empty() {
        cover(&weak, kills, 1)
    } else {
        Vec::new()
    };
    chosen.extend(strong);
    chosen.extend(weak);
    chosen
}

fn cover<'a>(candidates: &[&'a Candidate], kills: &Kills, most: usize) -> Vec<&'a Candidate> {
    let mut open: BTreeSet<u32> = candidates
        .iter()
        .filter_map(|it| kills.get(&it.id))
        .flatten()
        .copied()
        .collect();
    let mut left = candidates.to_vec();
    let mut chosen = Vec::new();
    while chosen.len() < most && !open.is_empty() {
        let gain = |candidate: &Candidate| {
            kills
                .get(&candidate.id)
                .map_or(0, |killed| killed.intersection(&open).count())
        };
        let best = left.iter().enumerate().max_by_key(|(at, candidate)| {
            (
                gain(candidate),
                std::cmp::Reverse(candidate.cost()),
                std::cmp::Reverse(*at),
            )
        });
        let Some((at, _)) = best.filter(|(_, candidate)| gain(candidate) > 0) else {
            break;
        };
        let candidate = left.remove(at);
        for mutant in kills.get(&candidate.id).into_iter().flatten() {
            open.remove(mutant);
        }
        chosen.push(candidate);
    }
    chosen
}

/// The next mutant to try for real in one module: the one that proves most of the tests that are not proved yet.
pub(crate) fn next_proof(
    open: &BTreeSet<u32>,
    tried: &BTreeSet<u32>,
    kills: &Kills,
) -> Option<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for test in open {
        for mutant in kills
            .get(test)
            .into_iter()
            .flatten()
            .filter(|mutant| !tried.contains(mutant))
        {
            *counts.entry(*mutant).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .max_by_key(|(mutant, count)| (*count, std::cmp::Reverse(*mutant)))
        .map(|(mutant, _)| mutant)
}

/// A text with one part replaced; places are in UTF-16 units, as the compiler counts.
pub(crate) fn mutated(text: &str, start: usize, end: usize, replacement: &str) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let (before, after) = (units.get(..start)?, units.get(end..)?);
    let replacement: Vec<u16> = replacement.encode_utf16().collect();
    String::from_utf16(&[before, &replacement, after].concat()).ok()
}

/// Orders of `count` tests for five runs: as written, reversed, and three shuffled by the seed.
pub(crate) fn orders(count: usize, seed: u64) -> Vec<Vec<usize>> {
    let plain: Vec<usize> = (0..count).collect();
    let reversed = plain.iter().rev().copied().collect();
    let mut orders = vec![plain.clone(), reversed];
    let mut state = seed | 1;
    for _ in 0..3 {
        let mut order = plain.clone();
        for at in (1..count).rev() {
            // SplitMix64: a well mixed number for each step.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bound = at as u64 + 1;
            let other = usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(0);
            order.swap(at, other);
        }
        orders.push(order);
    }
    orders
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn call(id: u32, expected: &str) -> Candidate {
        Candidate {
            id,
            f: 1,
            is_async: false,
            is_iterator: false,
            claim: Claim::Value {
                args: Vec::new(),
                expected: expected.to_owned(),
                changed: Vec::new(),
            },
        }
    }

    #[test]
    fn each_kept_test_kills_what_no_other_kept_one_does() {
        let tests = [call(1, "a"), call(2, "bb"), call(3, "c"), call(4, "d")];
        let tests: Vec<&Candidate> = tests.iter().collect();
        let kills = Kills::from([
            (1, BTreeSet::from([10])),
            (2, BTreeSet::from([10, 11])),
            (3, BTreeSet::from([11, 12])),
        ]);
        let kept: Vec<u32> = choose(&tests, &kills).iter().map(|test| test.id).collect();
        assert_eq!(kept, [3, 1]);
    }

    #[test]
    fn a_weak_property_stays_only_without_a_strong_one() {
        let property = |id, claim| Candidate {
            claim,
            ..call(id, "")
        };
        let inputs = Vec::new;
        let weak = property(1, Claim::Integer { inputs: inputs() });
        let strong = property(2, Claim::Idempotent { inputs: inputs() });
        let kills = Kills::from([(1, BTreeSet::from([10, 11])), (2, BTreeSet::from([10]))]);
        let both: Vec<u32> = choose(&[&weak, &strong], &kills)
            .iter()
            .map(|test| test.id)
            .collect();
        assert_eq!(both, [2]);
        assert_eq!(choose(&[&weak], &kills).len(), 1);
    }

    #[test]
    fn places_are_counted_as_the_compiler_does() {
        assert_eq!(mutated("'😀' + b", 5, 6, "-").unwrap(), "'😀' - b");
        assert_eq!(mutated("abc", 2, 9, ""), None);
    }

    #[test]
    fn orders_are_permutations_and_follow_from_the_seed() {
        let all = orders(9, 7);
        assert_eq!((all.len(), &all), (5, &orders(9, 7)));
        for mut order in all {
            order.sort_unstable();
            assert_eq!(order, (0..9).collect::<Vec<_>>());
        }
        assert_ne!(orders(9, 7)[2], orders(9, 8)[2]);
    }
}
