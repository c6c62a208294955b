//! Fingerprints of sequences of tokens, chosen by winnowing (Schleimer, Wilkerson and Aiken, 2003): of each [`WINDOW`]
//! neighbouring sequences of [`GRAM`] tokens the one with the smallest hash. Two places that share [`MIN_TOKENS`] tokens share
//! a fingerprint.

use super::places::number;

/// The fewest tokens of a duplicate.
pub(crate) const MIN_TOKENS: usize = 50;
/// Tokens of a sequence.
pub(crate) const GRAM: usize = 25;
const WINDOW: usize = MIN_TOKENS - GRAM + 1;
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The hashes of the chosen sequences, each with the token it begins at.
pub(crate) fn fingerprints(tokens: &[u32]) -> Vec<(u64, u32)> {
    let grams = gram_hashes(tokens);
    let mut chosen: Vec<(u64, u32)> = Vec::new();
    let mut smallest = None;
    for start in 0..(grams.len() + 1).saturating_sub(WINDOW) {
        let end = start + WINDOW;
        let newest = end - 1;
        smallest = match smallest {
            // The rightmost smallest: neighbouring windows then choose the same one.
            Some(at) if at >= start => Some(if grams[newest] <= grams[at] {
                newest
            } else {
                at
            }),
            _ => (start..end).rev().min_by_key(|at| grams[*at]),
        };
        if let Some(at) = smallest
            && chosen.last().is_none_or(|(_, last)| *last != number(at))
        {
            chosen.push((grams[at], number(at)));
        }
    }
    chosen
}

/// The hash of each [`GRAM`] neighbouring tokens, rolled along (Rabin and Karp).
fn gram_hashes(tokens: &[u32]) -> Vec<u64> {
    if tokens.len() < GRAM {
        return Vec::new();
    }
    let value = |token: u32| u64::from(token) + 1;
    let highest = (1..GRAM).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = tokens[..GRAM].iter().fold(0_u64, |hash, token| {
        hash.wrapping_mul(BASE).wrapping_add(value(*token))
    });
    let mut hashes = vec![mixed(hash)];
    for end in GRAM..tokens.len() {
        hash = hash.wrapping_sub(value(tokens[end - GRAM]).wrapping_mul(highest));
        hash = hash.wrapping_mul(BASE).wrapping_add(value(tokens[end]));
        hashes.push(mixed(hash));
    }
    hashes
}

/// Spreads a rolled hash, whose low bits hang on the last tokens alone.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn each_window_has_a_chosen_sequence_that_is_its_smallest(tokens in proptest::collection::vec(0_u32..4, 0..200)) {
            let grams = gram_hashes(&tokens);
            let chosen = fingerprints(&tokens);
            proptest::prop_assert!(chosen.iter().all(|(hash, at)| grams[*at as usize] == *hash));
            for window in 0..(grams.len() + 1).saturating_sub(WINDOW) {
                let least = grams[window..window + WINDOW].iter().min();
                let is_there = chosen.iter().any(|(hash, at)| (window..window + WINDOW).contains(&(*at as usize)) && Some(hash) == least);
                proptest::prop_assert!(is_there);
            }
        }
    }
}
