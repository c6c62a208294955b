//! The split of a job into parts of similar work.
//!
//! Files are distributed by their work, the largest first, each to the part with the least work so far (Graham 1969): the
//! largest part has at most 4/3 - 1/(3m) times the work of the largest part in the best split into m parts. Steps keep their
//! order: a part has consecutive steps, and two parts differ by one step at most. A job with two files or more is split by
//! files, because parts that share a file would wait for each other; each part then takes all steps for its own files.
//!
//! Parts do not wait for each other. A job whose steps build on earlier steps must be submitted with subtasks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use shim_proto::coordination::v1::FileHint;

use super::estimate::{counted, file_work_bytes, format_bytes, work, work_of_steps};

/// The parts of a split job; fewer if it has fewer files or steps.
const PARTS: usize = 8;
/// The files that a part's goal names; its patterns hold all of them.
const MAX_FILES_SHOWN: usize = 20;

/// A part of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobPart {
    pub(crate) goal: String,
    /// The patterns of its files.
    pub(crate) files: Vec<String>,
    /// The work of the part, in the points of the estimate.
    pub(crate) work: f64,
}

/// The parts of a job, at least two, and what they are split by: "file" or "step". `None` if a job has neither two files nor
/// two steps.
pub(crate) fn split(
    goal: &str,
    files: &[FileHint],
    steps: &[String],
) -> Option<(Vec<JobPart>, &'static str)> {
    match (files.len(), steps.len()) {
        (2.., _) => Some((by_files(&with_steps(goal, steps), files), "file")),
        (_, 2..) => Some((by_steps(goal, files, steps), "step")),
        _ => None,
    }
}

/// A goal followed by its steps: the goal is the only text that a worker gets.
pub(crate) fn with_steps(goal: &str, steps: &[String]) -> String {
    if steps.is_empty() {
        return goal.to_owned();
    }
    format!("{goal}\n\nSteps:\n{}", listed(steps, 1))
}

fn by_files(goal: &str, files: &[FileHint]) -> Vec<JobPart> {
    let works: Vec<u64> = files
        .iter()
        .map(|file| file_work_bytes(file.size_bytes))
        .collect();
    let shares = longest_first(&works, PARTS.min(files.len()));
    let count = shares.len();
    let all = counted(files.len(), "file");
    let part = |(index, share): (usize, &Vec<usize>)| {
        let own: Vec<String> = share.iter().map(|file| files[*file].path.clone()).collect();
        let bytes = share.iter().fold(0u64, |sum, file| {
            sum.saturating_add(files[*file].size_bytes)
        });
        let size = match bytes {
            0 => String::new(),
            bytes => format!(", {}", format_bytes(bytes)),
        };
        let goal = format!(
            "Part {} of {count}: {goal}\n\nThis part has {} of the {all}{size}: {}. The others have parts of their own.",
            index + 1,
            own.len(),
            named(&own),
        );
        JobPart {
            goal,
            work: work(own.len(), bytes),
            files: own,
        }
    };
    shares.iter().enumerate().map(part).collect()
}

fn by_steps(goal: &str, files: &[FileHint], steps: &[String]) -> Vec<JobPart> {
    let count = PARTS.min(steps.len());
    let files: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let part = |index: usize| {
        let (first, end) = (
            index * steps.len() / count,
            (index + 1) * steps.len() / count,
        );
        let own = &steps[first..end];
        let goal = format!(
            "Part {} of {count}: {goal}\n\nThis part has {} of {}:\n{}\nThe other steps are in parts of their own.",
            index + 1,
            counted(own.len(), "step"),
            steps.len(),
            listed(own, first + 1),
        );
        JobPart {
            goal,
            files: files.clone(),
            work: work_of_steps(own.len()),
        }
    };
    (0..count).map(part).collect()
}

/// Distributes items by their work, the largest first, each to the share with the least work; equal items keep their order.
/// The items of a share are sorted, and the shares by their first items.
fn longest_first(works: &[u64], shares: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..works.len()).collect();
    order.sort_by_key(|item| Reverse(works[*item]));
    let mut loads: BinaryHeap<_> = (0..shares).map(|share| Reverse((0u128, share))).collect();
    let mut shared = vec![Vec::new(); shares];
    for item in order {
        if let Some(mut least) = loads.peek_mut() {
            let Reverse((load, share)) = &mut *least;
            *load += u128::from(works[item]);
            shared[*share].push(item);
        }
    }
    for share in &mut shared {
        share.sort_unstable();
    }
    shared.sort_unstable();
    shared
}

fn listed(steps: &[String], first: usize) -> String {
    let numbered = steps.iter().zip(first..);
    let lines: Vec<_> = numbered.map(|(step, n)| format!("{n}. {step}")).collect();
    lines.join("\n")
}

fn named(files: &[String]) -> String {
    let mut names = files[..files.len().min(MAX_FILES_SHOWN)].join(", ");
    if files.len() > MAX_FILES_SHOWN {
        names += &format!(" and {} more", files.len() - MAX_FILES_SHOWN);
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn files(sizes: &[u64]) -> Vec<FileHint> {
        let hint = |(n, size): (usize, &u64)| FileHint {
            path: format!("src/{n}.rs"),
            size_bytes: *size,
        };
        sizes.iter().enumerate().map(hint).collect()
    }

    fn steps(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("do {n}")).collect()
    }

    #[test]
    fn files_go_to_eight_parts_and_each_part_names_its_own() {
        let (parts, by) = split("Port it", &files(&[100_000; 24]), &[]).unwrap();
        assert_eq!((parts.len(), by), (8, "file"));
        for part in &parts {
            assert_eq!(part.files.len(), 3);
            assert!((part.work - 4.5).abs() < 1e-9);
            assert!(part.goal.contains(" of 8: Port it\n\n"));
            assert!(
                part.files.iter().all(|file| part.goal.contains(file)),
                "{}",
                part.goal
            );
        }
        assert_eq!(
            parts[1].goal,
            "Part 2 of 8: Port it\n\nThis part has 3 of the 24 files, 300 kB: src/1.rs, src/9.rs, src/17.rs. \
             The others have parts of their own."
        );
    }

    #[test]
    fn steps_stay_in_their_order() {
        let (parts, by) = split("Ship it", &files(&[5]), &steps(11)).unwrap();
        assert_eq!((parts.len(), by), (8, "step"));
        assert!(parts.iter().all(|part| part.files == ["src/0.rs"]));
        let lines: Vec<_> = parts
            .iter()
            .flat_map(|part| part.goal.lines().filter(|line| line.contains(". do ")))
            .collect();
        let all: Vec<_> = (1..=11).map(|n| format!("{n}. do {n}")).collect();
        assert_eq!(lines, all);
    }

    #[test]
    fn parts_by_files_take_all_steps() {
        let (parts, by) = split("Port it", &files(&[1, 2, 3]), &steps(20)).unwrap();
        assert_eq!((parts.len(), by), (3, "file"));
        assert!(parts.iter().all(|part| part.goal.contains("\n20. do 20\n")));
    }

    #[test]
    fn one_file_and_one_step_are_not_split() {
        assert_eq!(split("Fix it", &files(&[1 << 40]), &steps(1)), None);
    }

    #[test]
    fn the_goal_of_a_part_with_many_files_names_some_of_them() {
        let (parts, _) = split("Port it", &files(&[0; 1_000]), &[]).unwrap();
        assert_eq!(parts[0].files.len(), 125);
        assert!(
            parts[0].goal.contains(" and 105 more."),
            "{}",
            parts[0].goal
        );
        assert!(parts[0].goal.contains("125 of the 1000 files: "));
    }

    fn makespan(works: &[u64], shares: &[Vec<usize>]) -> u64 {
        let load = |share: &Vec<usize>| share.iter().map(|item| works[*item]).sum();
        shares.iter().map(load).max().unwrap()
    }

    /// The work of the largest share in the best distribution, by exhaustive search.
    fn best(works: &[u64], loads: &mut [u64]) -> u64 {
        let Some((first, rest)) = works.split_first() else {
            return loads.iter().copied().max().unwrap();
        };
        let tried = (0..loads.len()).map(|share| {
            loads[share] += first;
            let best = best(rest, loads);
            loads[share] -= first;
            best
        });
        tried.min().unwrap()
    }

    proptest! {
        #[test]
        fn no_share_is_much_larger_than_in_the_best_distribution(
            works in prop::collection::vec(1u64..100, 1..9),
            parts in 2usize..4,
        ) {
            let shares = longest_first(&works, parts);
            let best = best(&works, &mut vec![0; parts]);
            // Graham's bound, without fractions: LPT <= (4m - 1) / 3m of the best.
            let parts = parts as u64;
            prop_assert!(makespan(&works, &shares) * 3 * parts <= best * (4 * parts - 1));
        }

        #[test]
        fn each_file_is_in_one_part_and_the_parts_are_balanced(
            sizes in prop::collection::vec(0u64..10_000_000, 2..300),
        ) {
            let hints = files(&sizes);
            let (parts, _) = split("", &hints, &[]).unwrap();
            prop_assert_eq!(parts.len(), sizes.len().min(PARTS));
            let mut all: Vec<_> = parts.iter().flat_map(|part| part.files.clone()).collect();
            all.sort_unstable();
            let mut expected: Vec<_> = hints.iter().map(|hint| hint.path.clone()).collect();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);

            let works: Vec<_> = parts.iter().map(|part| part.work).collect();
            let total: f64 = works.iter().sum();
            prop_assert!((total - work(sizes.len(), sizes.iter().sum())).abs() < 1e-6);
            // A part had the least work when it got its last file, which is no more than the mean.
            let largest = sizes.iter().copied().max().unwrap();
            let most = total / parts.len() as f64 + work(1, largest);
            prop_assert!(works.iter().all(|part| *part > 0.0 && *part <= most + 1e-6));
        }

        #[test]
        fn parts_by_steps_differ_by_one_at_most(count in 2usize..200) {
            let (parts, _) = split("", &[], &steps(count)).unwrap();
            let works: Vec<_> = parts.iter().map(|part| part.work / work_of_steps(1)).collect();
            let (least, most) = (works.iter().copied().fold(f64::MAX, f64::min), works.iter().copied().fold(0.0, f64::max));
            prop_assert!(least >= 1.0 && most - least <= 1.0);
            prop_assert!((works.iter().sum::<f64>() - count as f64).abs() < 1e-9);
        }
    }
}
