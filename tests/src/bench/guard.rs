//! The guard against slow decay: figures of a run beside those kept in `reference.json`. A figure with a peer is compared
//! by its ratio to that peer, so that another machine changes nothing; one without is compared if it counts something.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::figure::Figure;

/// What may slip before it is told.
const TOLERANCE: f64 = 0.10;
/// Units whose figures a slower machine leaves as they are.
const COUNTS: [&str; 3] = ["bytes", "commands", "wake-ups/s"];

/// The kept value of each figure: a ratio, or a count.
pub type Reference = BTreeMap<String, f64>;

/// Where the kept figures lie in the source tree.
#[must_use]
pub fn reference_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/reference.json")
}

/// Reads the kept figures; none if the file is not there yet.
///
/// # Errors
/// If the file cannot be read or holds something else.
pub fn read_reference(path: &Path) -> io::Result<Reference> {
    match std::fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Reference::new()),
        Err(e) => Err(e),
    }
}

/// Writes `figures` over the kept ones of the same names; the others stay.
///
/// # Errors
/// If the file cannot be read or written.
pub fn update_reference(path: &Path, figures: &[Figure]) -> io::Result<()> {
    let mut kept = read_reference(path)?;
    for figure in figures {
        if let Some(value) = comparable(figure) {
            // Three digits: more would change with every run.
            kept.insert(figure.name.clone(), (value * 1e3).round() / 1e3);
        }
    }
    let mut text = serde_json::to_vec_pretty(&kept)?;
    text.push(b'\n');
    std::fs::write(path, text)
}

/// What slipped by more than a tenth: one line each.
#[must_use]
pub fn slips(kept: &Reference, figures: &[Figure]) -> Vec<String> {
    let mut slips = Vec::new();
    for figure in figures {
        let Some((before, now)) = kept.get(&figure.name).zip(comparable(figure)) else {
            continue;
        };
        let worse_by = if figure.unit == "1/s" {
            before / now - 1.0
        } else {
            now / before - 1.0
        };
        if worse_by > TOLERANCE {
            let what = figure.peer.as_deref().unwrap_or(figure.unit);
            slips.push(format!(
                "{}: {before:.3} -> {now:.3} ({what}), {:.0} % worse",
                figure.name,
                worse_by * 100.0
            ));
        }
    }
    slips
}

/// What of a figure may be compared between machines.
fn comparable(figure: &Figure) -> Option<f64> {
    let count = COUNTS.contains(&figure.unit).then_some(figure.value);
    let value = figure.ratio.or(count);
    value.filter(|value| value.is_finite() && *value > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, value: f64) -> Reference {
        Reference::from([(name.to_owned(), value)])
    }

    #[test]
    fn a_rate_slips_when_its_ratio_falls_and_a_time_when_it_rises() {
        let rate = |value| [Figure::new("rate", value, "1/s").beside("peer", 100.0)];
        assert!(slips(&kept("rate", 1.0), &rate(95.0)).is_empty());
        assert_eq!(slips(&kept("rate", 1.0), &rate(80.0)).len(), 1);
        assert!(slips(&kept("rate", 1.0), &rate(300.0)).is_empty());
        let time = |value| [Figure::new("time", value, "ms").beside("peer", 1.0)];
        assert!(slips(&kept("time", 2.0), &time(2.1)).is_empty());
        assert_eq!(slips(&kept("time", 2.0), &time(2.3)).len(), 1);
    }

    #[test]
    fn a_time_without_a_peer_says_nothing_and_a_count_does() {
        let time = [Figure::new("alone", 9.0, "ms")];
        assert!(slips(&kept("alone", 1.0), &time).is_empty());
        let bytes = [Figure::new("memory", 9.0, "bytes")];
        assert_eq!(slips(&kept("memory", 1.0), &bytes).len(), 1);
    }

    #[test]
    fn an_update_keeps_what_was_not_measured() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reference.json");
        update_reference(&path, &[Figure::new("one", 1.0, "bytes")]).expect("it is written");
        update_reference(&path, &[Figure::new("two", 2.0, "bytes")]).expect("it is written");
        let kept = read_reference(&path).expect("it is read");
        assert_eq!(kept.len(), 2);
    }
}
