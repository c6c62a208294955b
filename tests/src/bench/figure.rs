//! A figure, its table and its file.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// One measured value.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it is compared with, measured in the same run.
    pub peer: Option<String>,
    /// The peer's value in the same unit.
    pub peer_value: Option<f64>,
    /// Value over peer value.
    pub ratio: Option<f64>,
    /// What is to be reached, in words.
    pub target: Option<String>,
    /// Whether it was.
    pub met: Option<bool>,
}

impl Figure {
    /// A bare figure.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
            target: None,
            met: None,
        }
    }

    /// Beside a peer's.
    #[must_use]
    pub fn beside(mut self, peer: &str, value: f64) -> Self {
        self.peer = Some(peer.to_owned());
        self.peer_value = Some(value);
        self.ratio = (value > 0.0).then_some(self.value / value);
        self
    }

    /// Held against a target.
    #[must_use]
    pub fn target(mut self, target: &str, met: bool) -> Self {
        self.target = Some(target.to_owned());
        self.met = Some(met);
        self
    }

    /// Must not be above `limit`.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        let met = self.value <= limit;
        let target = format!("<= {limit} {}", self.unit);
        self.target(&target, met)
    }
}

/// Prints the figures as a table.
///
/// # Errors
/// If `out` cannot be written.
pub fn print_table(out: &mut impl Write, figures: &[Figure]) -> io::Result<()> {
    let width = figures
        .iter()
        .map(|figure| figure.name.len())
        .max()
        .unwrap_or(0);
    writeln!(
        out,
        "{:width$}  {:>12} {:8} {:>12} {:>7}  target",
        "figure", "value", "unit", "peer", "ratio"
    )?;
    for figure in figures {
        let number = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
        };
        let verdict = match (&figure.target, figure.met) {
            (Some(target), Some(true)) => format!("{target}: met"),
            (Some(target), _) => format!("{target}: MISSED"),
            _ => "-".to_owned(),
        };
        let (name, value, unit) = (&figure.name, figure.value, figure.unit);
        let (peer, ratio) = (number(figure.peer_value), number(figure.ratio));
        writeln!(
            out,
            "{name:width$}  {value:>12.2} {unit:8} {peer:>12} {ratio:>7}  {verdict}"
        )?;
    }
    Ok(())
}

/// Writes the figures of `area` to `<target>/bench/<area>.json`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(target_dir: &Path, area: &str, figures: &[Figure]) -> io::Result<()> {
    let folder = target_dir.join("bench");
    std::fs::create_dir_all(&folder)?;
    let text = serde_json::to_vec_pretty(figures)?;
    std::fs::write(folder.join(format!("{area}.json")), text)
}
