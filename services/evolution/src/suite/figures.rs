//! What became of each package, kept from run to run, and the tables that are made of it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::packages::{all, home};

/// What became of one package.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) style: String,
    /// Why nothing was done with it.
    pub(super) unusable: String,
    pub(super) own_tests: Option<u64>,
    pub(super) analysis: Analysis,
    pub(super) evolving: Evolving,
    pub(super) generating: Generating,
    /// What was left behind.
    pub(super) left: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Analysis {
    pub(super) error: String,
    pub(super) files: u64,
    pub(super) lines: u64,
    /// Findings that came.
    pub(super) findings: usize,
    /// Findings that the report counts.
    pub(super) told: usize,
    pub(super) opportunities: usize,
    pub(super) unread: Vec<String>,
    pub(super) failed_tools: Vec<String>,
    pub(super) seconds: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Evolving {
    pub(super) error: String,
    pub(super) proposals: usize,
    pub(super) places: u64,
    /// Places refused, those that proposals list.
    pub(super) refused: usize,
    pub(super) committed: usize,
    /// Transform and failed check of each that was not committed.
    pub(super) discarded: Vec<String>,
    /// Transform and error of each that could not be verified.
    pub(super) failed: Vec<String>,
    /// Committed ones whose verification ran no test.
    pub(super) unproved: Vec<String>,
    /// Committed ones at whose commit the package's own tests pass, as many as before.
    pub(super) green: usize,
    pub(super) red: Vec<String>,
    /// First runs that failed; what became of the second is above.
    #[serde(default)]
    pub(super) unsteady: Vec<String>,
    pub(super) lines: usize,
    pub(super) indented: usize,
    pub(super) beyond: Vec<String>,
    pub(super) seconds: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Generating {
    pub(super) error: String,
    pub(super) runner: String,
    pub(super) functions: usize,
    pub(super) with_tests: usize,
    pub(super) kept: u64,
    /// Of them, those that pass once more.
    pub(super) passed: u64,
    pub(super) mutants: u64,
    pub(super) killed: u64,
    /// Before and after, 0..1; negative if not measured.
    pub(super) score: (f64, f64),
    pub(super) lines: (f64, f64),
    pub(super) skipped: Vec<String>,
    pub(super) beyond: Vec<String>,
    pub(super) seconds: f64,
}

impl Outcome {
    /// What must not be.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.unusable.is_empty() {
            faults.push(self.unusable.clone());
            return faults;
        }
        let (analysis, evolving, generating) = (&self.analysis, &self.evolving, &self.generating);
        let texts = [
            ("analysis", &analysis.error),
            ("evolutions", &evolving.error),
            ("left", &self.left),
        ];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        faults.extend(texts.map(|(what, text)| format!("{what}: {text}")));
        if analysis.findings != analysis.told {
            let (came, told) = (analysis.findings, analysis.told);
            faults.push(format!(
                "{came} findings came, and the report counts {told}"
            ));
        }
        for (what, list) in self.lists() {
            faults.extend(list.iter().map(|text| format!("{what}: {text}")));
        }
        if generating.kept != generating.passed {
            let Generating {
                kept,
                passed,
                error,
                ..
            } = generating;
            faults.push(format!("{kept} tests were kept, {passed} pass: {error}"));
        }
        faults
    }

    /// Lists that must be empty.
    fn lists(&self) -> [(&'static str, &[String]); 6] {
        [
            ("a tool failed", &self.analysis.failed_tools),
            ("beyond meaning", &self.evolving.beyond),
            ("its tests fail afterwards", &self.evolving.red),
            ("not verified", &self.evolving.failed),
            ("no test verified it", &self.evolving.unproved),
            ("beyond the new tests", &self.generating.beyond),
        ]
    }

    fn path(name: &str) -> std::path::PathBuf {
        home().join(format!("{}.json", name.replace(['@', '/'], "_")))
    }
}

/// Keeps an outcome, and writes the tables of all that are kept.
pub(super) fn keep(outcome: &Outcome) {
    let text = serde_json::to_string_pretty(outcome).unwrap();
    std::fs::write(Outcome::path(&outcome.name), text).unwrap();
    let kept = all().into_iter().filter_map(|package| {
        let text = std::fs::read_to_string(Outcome::path(&package.name)).ok()?;
        let outcome: Outcome = serde_json::from_str(&text).ok()?;
        (outcome.version == package.version).then_some(outcome)
    });
    let kept: Vec<Outcome> = kept.collect();
    std::fs::write(home().join("figures.md"), tables(&kept)).unwrap();
}

/// What there is to say of a package under one title.
type Notes = fn(&Outcome) -> Vec<String>;

fn tables(outcomes: &[Outcome]) -> String {
    let usable: Vec<&Outcome> = outcomes
        .iter()
        .filter(|it| it.unusable.is_empty())
        .collect();
    let mut text = String::new();
    text.push_str("| package | style | own tests | files | lines | findings | opportunities | unread | seconds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    usable
        .iter()
        .for_each(|it| text.push_str(&analysis_row(it)));
    text.push_str("\n| package | proposed | places | committed | own tests pass after | lines changed | only indented | beyond meaning | discarded | seconds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    usable
        .iter()
        .for_each(|it| text.push_str(&evolving_row(it)));
    text.push_str("\n| package | runner | functions | with tests | tests kept | pass again | mutants killed | mutation score | covered lines | seconds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    usable
        .iter()
        .for_each(|it| text.push_str(&generating_row(it)));
    text.push_str(&notes(outcomes));
    text
}

/// What the tables have no room for, under titles.
fn notes(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let notes: [(&str, Notes); 5] = [
        ("Not used", |it| {
            let why = Some(it.unusable.clone());
            why.filter(|why| !why.is_empty()).into_iter().collect()
        }),
        ("Faults", Outcome::faults),
        ("Own tests that failed in the first of two runs", |it| {
            it.evolving.unsteady.clone()
        }),
        ("Discarded", |it| it.evolving.discarded.clone()),
        ("No test", |it| {
            let error = Some(it.generating.error.clone());
            let error = error.filter(|error| !error.is_empty());
            it.generating.skipped.iter().cloned().chain(error).collect()
        }),
    ];
    for (title, of) in notes {
        write!(text, "\n{title}:\n\n").unwrap();
        for outcome in outcomes {
            for note in of(outcome) {
                let line = note.lines().next().unwrap_or_default();
                writeln!(text, "- {}: {line}", outcome.name).unwrap();
            }
        }
    }
    text
}

fn analysis_row(it: &Outcome) -> String {
    let Analysis {
        files,
        lines,
        findings,
        opportunities,
        unread,
        seconds,
        ..
    } = &it.analysis;
    let own = it.own_tests.unwrap_or_default();
    format!(
        "| {} {} | {} | {own} | {files} | {lines} | {findings} | {opportunities} | {} | {seconds:.1} |\n",
        it.name,
        it.version,
        it.style,
        unread.len()
    )
}

fn evolving_row(it: &Outcome) -> String {
    let Evolving {
        proposals,
        places,
        committed,
        green,
        lines,
        indented,
        seconds,
        ..
    } = &it.evolving;
    format!(
        "| {} | {proposals} | {places} | {committed} | {green} | {lines} | {indented} | {} | {} | {seconds:.0} |\n",
        it.name,
        it.evolving.beyond.len(),
        it.evolving.discarded.len()
    )
}

fn generating_row(it: &Outcome) -> String {
    let made = &it.generating;
    if made.runner.is_empty() {
        let why = made.error.lines().next().unwrap_or_default();
        return format!("| {} | none: {why} | | | | | | | | |\n", it.name);
    }
    let percent = |share: f64| match share < 0.0 {
        true => "-".to_owned(),
        false => format!("{:.0} %", share * 100.0),
    };
    let change = |(before, after)| format!("{} to {}", percent(before), percent(after));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} of {} | {} | {} | {:.0} |\n",
        it.name,
        made.runner,
        made.functions,
        made.with_tests,
        made.kept,
        made.passed,
        made.killed,
        made.mutants,
        change(made.score),
        change(made.lines),
        made.seconds
    )
}
