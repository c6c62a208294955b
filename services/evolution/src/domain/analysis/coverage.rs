//! Reports of coverage, as the common reporters write them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shim_proto::evolution::v1::Coverage;

/// Where reports stand by the habit of nyc, c8, jest and vitest, the most detailed first.
pub(crate) const REPORTS: [&str; 3] = [
    "coverage/coverage-final.json",
    "coverage/lcov.info",
    "coverage/coverage-summary.json",
];

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CoverageFacts {
    /// Of the whole project, without a judgement on its age.
    pub(crate) total: Coverage,
    /// Covered lines of each file, 0..1, by its path as the report has it.
    pub(crate) files: BTreeMap<String, f64>,
}

/// Covered and all.
#[derive(Debug, Clone, Copy, Default)]
struct Ratio {
    covered: u64,
    all: u64,
}

impl Ratio {
    fn add(&mut self, other: Self) {
        self.covered += other.covered;
        self.all += other.all;
    }

    /// The share, or `without` if there is nothing to cover.
    #[allow(clippy::cast_precision_loss)] // Counts of lines are far below 2^52.
    fn share(self, without: f64) -> f64 {
        if self.all == 0 {
            without
        } else {
            (self.covered as f64 / self.all as f64).clamp(0.0, 1.0)
        }
    }

    fn one(is_covered: bool) -> Self {
        Self {
            covered: is_covered.into(),
            all: 1,
        }
    }
}

#[derive(Default)]
struct Totals {
    lines: Ratio,
    branches: Ratio,
    functions: Ratio,
}

/// Reads the report of that path.
///
/// # Errors
/// With what is wrong with it.
pub(crate) fn read(report: &str, text: &str) -> Result<CoverageFacts, String> {
    let (totals, files) = if report.ends_with(".info") {
        lcov(text)
    } else {
        let json: Value = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let json = json.as_object().ok_or("is no object")?;
        if report.ends_with("summary.json") {
            summary(json)
        } else {
            istanbul(json)
        }
    };
    if totals.lines.all == 0 {
        return Err("names no line".to_owned());
    }
    Ok(CoverageFacts {
        total: Coverage {
            report: report.to_owned(),
            lines: totals.lines.share(0.0),
            branches: totals.branches.share(-1.0),
            functions: totals.functions.share(-1.0),
            is_stale: false,
        },
        files,
    })
}

type Read = (Totals, BTreeMap<String, f64>);

fn lcov(text: &str) -> Read {
    let (mut totals, mut files) = (Totals::default(), BTreeMap::new());
    let (mut path, mut lines) = (String::new(), Ratio::default());
    let mut functions: BTreeMap<String, bool> = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            if line.trim() == "end_of_record" {
                totals.lines.add(lines);
                for is_called in std::mem::take(&mut functions).into_values() {
                    totals.functions.add(Ratio::one(is_called));
                }
                files.insert(
                    std::mem::take(&mut path),
                    std::mem::take(&mut lines).share(1.0),
                );
            }
            continue;
        };
        let last = value.rsplit(',').next().unwrap_or_default().trim();
        match key {
            "SF" => value.trim().clone_into(&mut path),
            "DA" => lines.add(Ratio::one(hits(value.split(',').nth(1)))),
            "BRDA" => totals.branches.add(Ratio::one(hits(Some(last)))),
            "FN" => _ = functions.entry(last.to_owned()).or_default(),
            "FNDA" => {
                let (count, name) = value.split_once(',').unwrap_or_default();
                functions.insert(name.trim().to_owned(), hits(Some(count)));
            }
            _ => {}
        }
    }
    (totals, files)
}

fn hits(count: Option<&str>) -> bool {
    count
        .and_then(|count| count.trim().parse::<f64>().ok())
        .is_some_and(|count| count > 0.0)
}

fn istanbul(json: &serde_json::Map<String, Value>) -> Read {
    let (mut totals, mut files) = (Totals::default(), BTreeMap::new());
    for (path, file) in json {
        let (mut all, mut covered) = (BTreeSet::new(), BTreeSet::new());
        for (id, place) in entries(&file["statementMap"]) {
            let Some(line) = place["start"]["line"].as_u64() else {
                continue;
            };
            all.insert(line);
            if file["s"][id].as_f64().is_some_and(|count| count > 0.0) {
                covered.insert(line);
            }
        }
        let lines = Ratio {
            covered: covered.len() as u64,
            all: all.len() as u64,
        };
        totals.lines.add(lines);
        files.insert(path.clone(), lines.share(1.0));
        for (_, count) in entries(&file["f"]) {
            totals
                .functions
                .add(Ratio::one(count.as_f64().is_some_and(|count| count > 0.0)));
        }
        for (_, counts) in entries(&file["b"]) {
            for count in counts.as_array().into_iter().flatten() {
                totals
                    .branches
                    .add(Ratio::one(count.as_f64().is_some_and(|count| count > 0.0)));
            }
        }
    }
    (totals, files)
}

fn entries(json: &Value) -> impl Iterator<Item = (&String, &Value)> {
    json.as_object().into_iter().flatten()
}

fn summary(json: &serde_json::Map<String, Value>) -> Read {
    let ratio = |of: &Value| Ratio {
        covered: of["covered"].as_u64().unwrap_or(0),
        all: of["total"].as_u64().unwrap_or(0),
    };
    let (mut totals, mut files) = (Totals::default(), BTreeMap::new());
    for (path, file) in json.iter().filter(|(path, _)| *path != "total") {
        totals.lines.add(ratio(&file["lines"]));
        totals.branches.add(ratio(&file["branches"]));
        totals.functions.add(ratio(&file["functions"]));
        files.insert(path.clone(), ratio(&file["lines"]).share(1.0));
    }
    if let Some(total) = json.get("total") {
        totals.lines = ratio(&total["lines"]);
        totals.branches = ratio(&total["branches"]);
        totals.functions = ratio(&total["functions"]);
    }
    (totals, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(facts: &CoverageFacts) -> (f64, f64, f64) {
        (
            facts.total.lines,
            facts.total.branches,
            facts.total.functions,
        )
    }

    #[test]
    fn lcov_is_read() {
        let text = "TN:\nSF:src/a.js\nFN:1,one\nFN:3,two\nFNDA:4,one\nFNDA:0,two\nDA:1,4\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,1,-\nend_of_record\n";
        let facts = read("coverage/lcov.info", text).unwrap();
        assert_eq!(shares(&facts), (0.5, 0.5, 0.5));
        assert_eq!(facts.files["src/a.js"], 0.5);
    }

    #[test]
    fn istanbul_counts_lines_by_statements() {
        let text = r#"{"/p/a.js": {"statementMap": {"0": {"start": {"line": 1}}, "1": {"start": {"line": 1}}, "2": {"start": {"line": 2}}},
            "s": {"0": 0, "1": 2, "2": 0}, "f": {"0": 1}, "b": {}}}"#;
        let facts = read("coverage/coverage-final.json", text).unwrap();
        assert_eq!(shares(&facts), (0.5, -1.0, 1.0));
    }

    #[test]
    fn a_summary_is_read() {
        let text = r#"{"total": {"lines": {"total": 4, "covered": 3}, "branches": {"total": 0, "covered": 0}, "functions": {"total": 1, "covered": 0}},
            "/p/a.js": {"lines": {"total": 4, "covered": 3}}}"#;
        let facts = read("coverage/coverage-summary.json", text).unwrap();
        assert_eq!(shares(&facts), (0.75, -1.0, 0.0));
        assert_eq!(facts.files.len(), 1);
    }

    #[test]
    fn an_empty_report_is_none() {
        for (report, text) in [
            ("lcov.info", ""),
            ("coverage-final.json", "{}"),
            ("coverage-final.json", "[]"),
            ("coverage-final.json", "{"),
        ] {
            assert!(read(report, text).is_err(), "{report} {text}");
        }
    }
}
