//! Files that change often and are hard to change.

use shim_proto::evolution::v1::{Figures, Hotspot};

use super::history::History;

/// Every file with a history and some complexity, worst first. The score is the product of two ranks, 0..1: of its commits
/// among the files, and of its complexity.
pub(crate) fn hotspots<'a>(
    files: impl IntoIterator<Item = &'a Figures>,
    history: &History,
) -> Vec<Hotspot> {
    let mut hotspots: Vec<Hotspot> = files
        .into_iter()
        .filter_map(|file| {
            let changes = history.files.get(&file.path)?;
            Some(Hotspot {
                path: file.path.clone(),
                commits: changes.commits,
                churned_lines: changes.churned_lines,
                authors: u32::try_from(changes.authors.len()).unwrap_or(u32::MAX),
                main_author_share: changes.main_author_share(),
                cyclomatic: file.cyclomatic,
                score: 0.0,
            })
        })
        .collect();
    let commits = Ranks::new(hotspots.iter().map(|hotspot| f64::from(hotspot.commits)));
    let complexity = Ranks::new(hotspots.iter().map(|hotspot| hotspot.cyclomatic));
    for hotspot in &mut hotspots {
        hotspot.score = commits.of(f64::from(hotspot.commits)) * complexity.of(hotspot.cyclomatic);
    }
    hotspots.retain(|hotspot| hotspot.score > 0.0);
    sort(&mut hotspots);
    hotspots
}

/// Worst first; equal ones by path.
pub(crate) fn sort(hotspots: &mut [Hotspot]) {
    hotspots.sort_by(|one, other| {
        let worst = other.score.total_cmp(&one.score);
        worst
            .then_with(|| other.churned_lines.cmp(&one.churned_lines))
            .then_with(|| one.path.cmp(&other.path))
    });
}

/// Which share of the values is not larger, so the largest has 1 and what many share is not the top.
struct Ranks(Vec<f64>);

impl Ranks {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn of(&self, value: f64) -> f64 {
        let less = self
            .0
            .partition_point(|other| other.total_cmp(&value).is_lt());
        if self.0.len() < 2 {
            1.0
        } else {
            share(less, self.0.len() - 1)
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Counts of files are far below 2^52.
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::analysis::history::FileHistory;

    fn file(path: &str, cyclomatic: f64) -> Figures {
        Figures {
            path: path.to_owned(),
            cyclomatic,
            ..Figures::default()
        }
    }

    #[test]
    fn what_changes_often_and_is_complex_is_first() {
        let mut history = History::default();
        for (path, commits) in [("calm.js", 1), ("hot.js", 9), ("simple.js", 20)] {
            let authors = [("a@x".to_owned(), commits)].into();
            let changes = FileHistory {
                commits,
                churned_lines: 5,
                authors,
            };
            history.files.insert(path.to_owned(), changes);
        }
        let files = [
            file("hot.js", 50.0),
            file("calm.js", 40.0),
            file("simple.js", 1.0),
            file("new.js", 99.0),
        ];
        let hotspots = hotspots(&files, &history);
        assert_eq!(
            hotspots
                .iter()
                .map(|hotspot| hotspot.path.as_str())
                .collect::<Vec<_>>(),
            ["hot.js"]
        );
        assert!((hotspots[0].score - 0.5).abs() < 1e-9);
    }
}
