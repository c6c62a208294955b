//! Cost against size: one curve for each thing that grows, printed as a table and drawn as SVG. Knees, the sizes from
//! which the cost rises faster than before, are found here; why they are there, a person must say.

mod clients;
mod saves;
mod sessions;
mod svg;
mod tasks;

pub(super) use saves::folder_bytes;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// A slope (in a picture with two logarithmic axes) that rises by this much makes a knee: 0 is flat, 1 is linear.
const KNEE: f64 = 0.35;

/// Some costs against one size.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// What the file is called.
    pub name: &'static str,
    /// What grows.
    pub size: &'static str,
    /// The costs.
    pub lines: Vec<Line>,
}

/// One cost, at each size.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What it is.
    pub cost: Cow<'static, str>,
    /// Its unit.
    pub unit: &'static str,
    /// Size and cost, by rising size.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(name: &'static str, size: &'static str, costs: &[(&'static str, &'static str)]) -> Self {
        let line = |&(cost, unit): &(&'static str, &'static str)| Line {
            cost: cost.into(),
            unit,
            points: Vec::new(),
        };
        Self {
            name,
            size,
            lines: costs.iter().map(line).collect(),
        }
    }

    /// The costs at the next size, in the order of the lines.
    fn add(&mut self, size: usize, costs: &[f64]) {
        for (line, cost) in self.lines.iter_mut().zip(costs) {
            line.points.push((count(size), *cost));
        }
    }
}

impl Line {
    /// The sizes at which the slope rises, with the slopes before and after. A cost that falls (a rate) bends downward.
    #[must_use]
    pub fn knees(&self) -> Vec<(f64, f64, f64)> {
        let positive = |point: &&(f64, f64)| point.0 > 0.0 && point.1 > 0.0;
        let logs: Vec<(f64, f64)> = self.points.iter().filter(positive).copied().collect();
        let slope = |a: (f64, f64), b: (f64, f64)| (b.1 / a.1).ln() / (b.0 / a.0).ln();
        let is_rate = self.unit.ends_with("/s");
        let bends = logs.windows(3).filter_map(|three| {
            let (before, after) = (slope(three[0], three[1]), slope(three[1], three[2]));
            let rise = if is_rate {
                before - after
            } else {
                after - before
            };
            (rise > KNEE).then_some((three[1].0, before, after))
        });
        bends.collect()
    }
}

/// Measures the curves whose name contains `only`, at sizes up to `largest`.
///
/// # Panics
/// If a service does not start or refuses good requests.
pub async fn measure(only: &str, largest: usize, progress: impl Fn(&str)) -> Vec<Curve> {
    let mut curves = Vec::new();
    let wanted = |name: &str| name.contains(only);
    if wanted("saves") {
        curves.push(saves::measure(largest, &progress).await);
    }
    if wanted("sessions") {
        curves.push(sessions::measure(largest, &progress).await);
    }
    if wanted("clients") {
        curves.push(clients::measure(largest, &progress).await);
    }
    if wanted("parts") {
        curves.push(tasks::parts(largest, &progress).await);
    }
    if wanted("queue") {
        curves.push(tasks::queue(largest, &progress).await);
    }
    if wanted("workspaces") {
        curves.push(clients::workspaces(largest, &progress).await);
    }
    curves
}

/// Prints a curve as a table, and its knees.
///
/// # Errors
/// If `out` cannot be written.
pub fn print_curve(out: &mut impl Write, curve: &Curve) -> io::Result<()> {
    write!(out, "\n{:>24}", curve.size)?;
    for line in &curve.lines {
        write!(out, "  {:>28}", format!("{} [{}]", line.cost, line.unit))?;
    }
    writeln!(out)?;
    let sizes = curve
        .lines
        .first()
        .map_or(&[][..], |line| line.points.as_slice());
    for (row, (size, _)) in sizes.iter().enumerate() {
        write!(out, "{size:>24}")?;
        for line in &curve.lines {
            let cost = line.points.get(row).map_or(f64::NAN, |point| point.1);
            write!(out, "  {cost:>28.3}")?;
        }
        writeln!(out)?;
    }
    for line in &curve.lines {
        for (size, before, after) in line.knees() {
            writeln!(
                out,
                "knee: {} at {size}, slope {before:.2} before and {after:.2} after",
                line.cost
            )?;
        }
    }
    Ok(())
}

/// Writes `<target>/bench/curves/<name>.svg` and `.json`.
///
/// # Errors
/// If a file cannot be written.
pub fn write_curve(target_dir: &Path, curve: &Curve) -> io::Result<()> {
    let folder = target_dir.join("bench/curves");
    std::fs::create_dir_all(&folder)?;
    let json = serde_json::to_vec_pretty(curve)?;
    std::fs::write(folder.join(format!("{}.json", curve.name)), json)?;
    std::fs::write(folder.join(format!("{}.svg", curve.name)), svg::draw(curve))
}

/// The sizes that are not above `largest`.
fn sizes(all: &[usize], largest: usize) -> Vec<usize> {
    all.iter()
        .copied()
        .filter(|size| *size <= largest)
        .collect()
}

fn count(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = number as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(unit: &'static str, costs: [f64; 4]) -> Line {
        let points = [1.0, 10.0, 100.0, 1000.0].into_iter().zip(costs);
        Line {
            cost: "cost".into(),
            unit,
            points: points.collect(),
        }
    }

    #[test]
    fn a_straight_line_has_no_knee() {
        assert!(line("ms", [1.0, 10.0, 100.0, 1000.0]).knees().is_empty());
        assert!(line("ms", [2.0, 2.0, 2.0, 2.0]).knees().is_empty());
    }

    #[test]
    fn a_cost_that_turns_linear_has_its_knee_there() {
        let knees = line("ms", [1.0, 1.0, 1.0, 10.0]).knees();
        assert_eq!(knees.len(), 1);
        assert!((knees[0].0 - 100.0).abs() < 0.1);
    }

    #[test]
    fn a_rate_bends_downward() {
        assert_eq!(line("1/s", [5.0, 50.0, 50.0, 50.0]).knees().len(), 1);
    }
}
