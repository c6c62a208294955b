//! The estimated complexity of a job, before any of it is done.
//!
//! The complexity is a sum of points, one term for each source of work:
//!
//! | source | points |
//! | --- | --- |
//! | the task itself | 0.5 |
//! | each file | 0.5 |
//! | the files' sizes | 1 for 100 kB: about a sixth of a model's context |
//! | the largest file | 0.5 more for 100 kB, because it cannot be split |
//! | each step | 0.75 |
//! | each required capability | 0.25 |
//! | the goal's text | 1 for 2 KiB |
//!
//! (A) No term shrinks when its source grows. (B) One step in one small file has about 1 point. (C) A job above
//! [`WORTH_SPLITTING`] is split. The estimate serves planning alone; nothing else depends on it.

use std::fmt;

use shim_proto::coordination::v1::{Requirements, SubmitTaskRequest, Task};

/// A job with a complexity above this is split, in points.
pub(crate) const WORTH_SPLITTING: f64 = 8.0;

const TASK: f64 = 0.5;
const STEP: f64 = 0.75;
const CAPABILITY: f64 = 0.25;
const BYTES_A_POINT: u64 = 100_000;
/// The work of a file beside that of its content, in bytes.
const FILE_BYTES: u64 = BYTES_A_POINT / 2;
const GOAL_BYTES_A_POINT: f64 = 2_048.0;

/// The sources of work in a job, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JobSize {
    pub(crate) files: usize,
    pub(crate) total_bytes: u64,
    pub(crate) largest_bytes: u64,
    pub(crate) steps: usize,
    pub(crate) capabilities: usize,
    pub(crate) goal_bytes: usize,
}

impl JobSize {
    pub(crate) fn of_job(job: &SubmitTaskRequest) -> Self {
        let sizes = job.files.iter().map(|file| file.size_bytes);
        Self {
            files: job.files.len(),
            total_bytes: sizes.clone().fold(0, u64::saturating_add),
            largest_bytes: sizes.max().unwrap_or(0),
            steps: job.steps.len(),
            capabilities: capabilities(job.requirements.as_ref()),
            goal_bytes: job.goal.len(),
        }
    }

    /// The size of a subtask; the sizes of its files are unknown.
    pub(crate) fn of_task(task: &Task) -> Self {
        Self {
            files: task.files.len(),
            capabilities: capabilities(task.requirements.as_ref()),
            goal_bytes: task.goal.len(),
            ..Self::default()
        }
    }
}

fn capabilities(requirements: Option<&Requirements>) -> usize {
    requirements.map_or(0, |needed| needed.capabilities.len())
}

/// The terms of a complexity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Estimate {
    terms: Vec<(String, f64)>,
}

impl Estimate {
    pub(crate) fn of(job_size: &JobSize) -> Self {
        let size = format_bytes(job_size.total_bytes);
        let largest = format_bytes(job_size.largest_bytes);
        let terms = [
            ("a task".to_owned(), TASK),
            (counted(job_size.files, "file"), work(job_size.files, 0)),
            (size, work(0, job_size.total_bytes)),
            (
                format!("{largest} in one file"),
                work(0, job_size.largest_bytes) / 2.0,
            ),
            (
                counted(job_size.steps, "step"),
                points(job_size.steps, STEP),
            ),
            (
                counted(job_size.capabilities, "capability"),
                points(job_size.capabilities, CAPABILITY),
            ),
            (
                "the goal's length".to_owned(),
                points(job_size.goal_bytes, 1.0 / GOAL_BYTES_A_POINT),
            ),
        ];
        let terms = terms.into_iter().filter(|(_, points)| *points > 0.0);
        Self {
            terms: terms.collect(),
        }
    }

    pub(crate) fn complexity(&self) -> f64 {
        self.terms.iter().map(|(_, points)| points).sum()
    }

    pub(crate) fn is_worth_splitting(&self) -> bool {
        self.complexity() > WORTH_SPLITTING
    }
}

impl fmt::Display for Estimate {
    /// The complexity with every term that is not rounded to zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} (", self.complexity())?;
        let seen = self.terms.iter().filter(|(_, points)| *points >= 0.05);
        for (i, (what, points)) in seen.enumerate() {
            let plus = if i > 0 { " + " } else { "" };
            write!(f, "{plus}{points:.1} {what}")?;
        }
        f.write_str(")")
    }
}

/// The work of a file when files are distributed, in bytes.
pub(crate) fn file_work_bytes(size_bytes: u64) -> u64 {
    size_bytes.saturating_add(FILE_BYTES)
}

/// The points of a number of files with a total size.
pub(crate) fn work(files: usize, total_bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate needs no 53 bits")]
    let (bytes, a_point) = (total_bytes as f64, BYTES_A_POINT as f64);
    points(files, 0.5) + bytes / a_point
}

/// The points of steps.
pub(crate) fn work_of_steps(steps: usize) -> f64 {
    points(steps, STEP)
}

fn points(count: usize, each: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let count = count as f64;
    count * each
}

/// "1 file", "2 files".
pub(crate) fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

/// A size for people, in decimal units.
pub(crate) fn format_bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let size = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.1} GB", size / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_step_in_a_small_file_has_about_one_point() {
        let small = Estimate::of(&JobSize {
            files: 1,
            total_bytes: 6_000,
            largest_bytes: 6_000,
            goal_bytes: 120,
            ..JobSize::default()
        });
        assert!((0.9..1.3).contains(&small.complexity()), "{small}");
        assert!(!small.is_worth_splitting());
    }

    #[test]
    fn many_files_or_steps_or_much_text_are_worth_splitting() {
        let large = [
            JobSize {
                files: 16,
                ..JobSize::default()
            },
            JobSize {
                steps: 11,
                ..JobSize::default()
            },
            JobSize {
                files: 4,
                total_bytes: 600_000,
                ..JobSize::default()
            },
        ];
        for job_size in large {
            let estimate = Estimate::of(&job_size);
            assert!(estimate.is_worth_splitting(), "{estimate}");
        }
    }

    #[test]
    fn an_estimate_shows_its_terms() {
        let estimate = Estimate::of(&JobSize {
            files: 24,
            total_bytes: 1_200_000,
            largest_bytes: 400_000,
            steps: 1,
            capabilities: 2,
            goal_bytes: 40,
        });
        assert_eq!(
            estimate.to_string(),
            "27.8 (0.5 a task + 12.0 24 files + 12.0 1.2 MB + 2.0 400 kB in one file + 0.8 1 step \
             + 0.5 2 capabilities)"
        );
    }

    fn any_job_size() -> impl Strategy<Value = JobSize> {
        let bytes = 0u64..1 << 40;
        (
            0usize..1_000,
            bytes.clone(),
            bytes,
            0usize..1_000,
            0usize..20,
            0usize..8_192,
        )
            .prop_map(
                |(files, total_bytes, largest_bytes, steps, capabilities, goal_bytes)| JobSize {
                    files,
                    total_bytes,
                    largest_bytes,
                    steps,
                    capabilities,
                    goal_bytes,
                },
            )
    }

    proptest! {
        #[test]
        fn more_of_anything_is_never_less_work(job_size in any_job_size(), more in 1u16.., which in 0..6) {
            let mut larger = job_size;
            let (bytes, count) = (u64::from(more), usize::from(more));
            match which {
                0 => larger.files += count,
                1 => larger.total_bytes += bytes,
                2 => larger.largest_bytes += bytes,
                3 => larger.steps += count,
                4 => larger.capabilities += count,
                _ => larger.goal_bytes += count,
            }
            let (less, more) = (Estimate::of(&job_size), Estimate::of(&larger));
            prop_assert!(more.complexity() > less.complexity(), "{less} {more}");
        }
    }
}
