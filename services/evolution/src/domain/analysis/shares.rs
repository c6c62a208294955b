//! A large project in shares of about the same size: whole folders together where they fit into one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// One of the shares of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Which one, from 1.
    pub(crate) part: u32,
    /// How many there are.
    pub(crate) parts: u32,
}

impl Share {
    /// The files of this share, out of all of them with their sizes in bytes. The same files give the same shares, whoever asks;
    /// each file is in one of them.
    pub(crate) fn of(self, files: &[(&str, u64)]) -> BTreeSet<String> {
        let parts = self.parts.max(1) as usize;
        let at = (self.part.max(1) - 1) as usize;
        let shares = shares(files, parts);
        shares.into_iter().nth(at).unwrap_or_default()
    }
}

/// Folders go to shares, the largest first, each to what is smallest so far (Graham 1969).
fn shares(files: &[(&str, u64)], parts: usize) -> Vec<BTreeSet<String>> {
    let mut pieces = pieces(files, parts);
    pieces.sort_by(|one, other| (Reverse(one.0), &one.1).cmp(&(Reverse(other.0), &other.1)));
    let mut shares = vec![BTreeSet::new(); parts];
    let mut sizes: BinaryHeap<_> = (0..parts).map(|part| Reverse((0_u64, part))).collect();
    for (bytes, paths) in pieces {
        if let Some(mut least) = sizes.peek_mut() {
            let Reverse((size, part)) = &mut *least;
            *size += bytes;
            shares[*part].extend(paths.into_iter().map(str::to_owned));
        }
    }
    shares
}

/// The files of each folder, with their size; a folder that is more than a share is in several pieces.
fn pieces<'a>(files: &[(&'a str, u64)], parts: usize) -> Vec<(u64, Vec<&'a str>)> {
    // An empty file is work, too.
    let weight = |bytes: u64| bytes + 1;
    let total: u64 = files.iter().map(|(_, bytes)| weight(*bytes)).sum();
    let most = total.div_ceil(parts as u64 * 2);
    let mut folders: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (path, bytes) in files {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let files = folders.entry(folder).or_default();
        files.insert(path, weight(*bytes));
    }
    let mut pieces = Vec::new();
    for files in folders.into_values() {
        let mut piece = (0, Vec::new());
        for (path, bytes) in files {
            if piece.0 > 0 && piece.0 + bytes > most {
                pieces.push(std::mem::take(&mut piece));
            }
            piece.0 += bytes;
            piece.1.push(path);
        }
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_file_is_in_one_share_and_shares_are_balanced(
            sizes in proptest::collection::vec(0_u64..100_000, 0..300),
            folders in 1_usize..40,
            parts in 1_u32..12,
        ) {
            let names: Vec<String> = (0..sizes.len()).map(|at| format!("d{}/f{at}", at % folders)).collect();
            let files: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(sizes.iter().copied()).collect();
            let shares: Vec<_> = (1..=parts).map(|part| Share { part, parts }.of(&files)).collect();
            let mut all: Vec<&String> = shares.iter().flatten().collect();
            all.sort();
            let mut expected: Vec<&String> = names.iter().collect();
            expected.sort();
            prop_assert_eq!(all, expected);
            let by_name: BTreeMap<&str, u64> = files.iter().copied().collect();
            let weight = |share: &BTreeSet<String>| share.iter().map(|path| by_name[path.as_str()] + 1).sum::<u64>();
            let (total, largest): (u64, u64) = (sizes.iter().map(|size| size + 1).sum(), sizes.iter().copied().max().unwrap_or(0) + 1);
            // A share had the least when it got its last piece, which is half a mean share or one file.
            let mean = total.div_ceil(u64::from(parts));
            for share in &shares {
                prop_assert!(weight(share) <= mean + (mean.div_ceil(2) + 1).max(largest) + 1);
            }
        }
    }

    #[test]
    fn a_folder_that_fits_stays_together() {
        let names: Vec<String> = (0..32).map(|at| format!("d{}/{at}.js", at / 4)).collect();
        let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 100)).collect();
        for part in 1..=4 {
            let share = Share { part, parts: 4 }.of(&files);
            let folders: BTreeSet<&str> = share.iter().map(|path| &path[..2]).collect();
            assert_eq!((share.len(), folders.len()), (8, 2), "{share:?}");
        }
    }
}
