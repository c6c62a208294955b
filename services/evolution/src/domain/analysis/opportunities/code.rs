//! Opportunities in the code itself: complex functions, duplicates, older forms, markers of debt.

use std::collections::BTreeMap;

use shim_proto::evolution::v1::{DebtMarker, Duplicate, Figures, Location, Opportunity};

use super::draft::{Draft, MAX_EVIDENCE, counted, evidence, float, plural, saturating};
use super::picture::Picture;
use crate::domain::analysis::facts::OldForm;
use crate::domain::analysis::places::whole_line;

/// A function with more is worth a look, by the habit of linters.
pub(crate) const COMPLEX: f64 = 15.0;
const COGNITIVE: f64 = 20.0;
const MARKERS: &str = "comments";

pub(super) fn add(picture: &Picture<'_>, into: &mut Vec<Opportunity>) {
    let heat = picture.heat();
    let complex = picture
        .functions
        .iter()
        .filter(|function| function.cyclomatic > COMPLEX || function.cognitive > COGNITIVE);
    into.extend(
        complex.map(|function| complexity(function, heat.get(function.path.as_str()).copied())),
    );
    into.extend(picture.duplicates.iter().filter_map(duplicate));
    add_old_forms(picture, into);
    add_debt(picture.markers, into);
}

fn complexity(function: &Figures, heat: Option<f64>) -> Opportunity {
    let name = if function.function.is_empty() {
        "a function"
    } else {
        &function.function
    };
    let location = whole_line(&function.path, function.start_line, function.end_line);
    let measured = format!(
        "cyclomatic complexity {}, cognitive complexity {}, {} lines, {} parameters",
        function.cyclomatic, function.cognitive, function.lines, function.parameters
    );
    let mut facts = vec![evidence(&function.tool, measured, Some(location.clone()))];
    if let Some(heat) = heat {
        let text = format!(
            "the file's place among those that change often and are complex: {:.0} of 100",
            heat * 100.0
        );
        facts.push(evidence("git", text, None));
    }
    let draft = Draft {
        kind: "complexity",
        identity: &[&function.path, &function.function],
        title: format!(
            "split {name}: cyclomatic complexity {}",
            function.cyclomatic
        ),
        impact: saturating(function.cognitive.max(function.cyclomatic), 40.0)
            * (0.5 + 0.5 * heat.unwrap_or(0.0)),
        // Without a history it is not known whether anybody has to read it again.
        confidence: if heat.is_some() { 0.8 } else { 0.6 },
        effort: function.lines / 300.0,
        evidence: facts,
        transform: "",
        location,
    };
    draft.finish()
}

fn duplicate(duplicate: &Duplicate) -> Option<Opportunity> {
    let (first, others) = duplicate.locations.split_first()?;
    let copies = duplicate.locations.len();
    let places = duplicate.locations.iter().take(MAX_EVIDENCE).map(|place| {
        let text = format!("{} lines, {} tokens", duplicate.lines, duplicate.tokens);
        evidence("duplicates", text, Some(place.clone()))
    });
    let second = others.first().map_or("", |second| second.path.as_str());
    let size = duplicate.lines.to_string();
    let draft = Draft {
        kind: "duplication",
        identity: &[&first.path, second, &size],
        title: format!("say it once: {} lines at {copies} places", duplicate.lines),
        location: first.clone(),
        impact: saturating(f64::from(duplicate.lines) * float(others.len()), 60.0),
        confidence: if duplicate.tokens >= 100 { 0.8 } else { 0.6 },
        effort: 0.15 + f64::from(duplicate.lines) / 400.0 + float(copies) / 50.0,
        evidence: places.collect(),
        transform: "",
    };
    Some(draft.finish())
}

/// An older form as an opportunity.
struct Form {
    form: OldForm,
    one: &'static str,
    many: &'static str,
    /// How many of them weigh one half.
    half: f64,
    /// How sure it is that they can be changed.
    confidence: f64,
    /// What changes them.
    transform: &'static str,
}

const FORMS: [Form; 6] = [
    Form {
        form: OldForm::Var,
        one: "`var` declaration",
        many: "`var` declarations",
        half: 60.0,
        confidence: 0.95,
        transform: "var-to-let-const",
    },
    Form {
        form: OldForm::Concatenation,
        one: "string concatenation",
        many: "string concatenations",
        half: 80.0,
        confidence: 0.4,
        transform: "concat-to-template",
    },
    Form {
        form: OldForm::FunctionArgument,
        one: "function expression as an argument",
        many: "function expressions as arguments",
        half: 80.0,
        confidence: 0.6,
        transform: "function-to-arrow",
    },
    Form {
        form: OldForm::LongProperty,
        one: "property that repeats its name",
        many: "properties that repeat their names",
        half: 60.0,
        confidence: 0.95,
        transform: "object-shorthand",
    },
    Form {
        form: OldForm::Then,
        one: "`.then` call",
        many: "`.then` calls",
        half: 30.0,
        confidence: 0.3,
        transform: "then-to-await",
    },
    Form {
        form: OldForm::Apply,
        one: "`.apply` call with a list",
        many: "`.apply` calls with a list",
        half: 30.0,
        confidence: 0.6,
        transform: "apply-to-spread",
    },
];

/// A count of forms is no promise: what a transform proves is more than what a parser sees.
const COUNTED_BY_FORM: &str = "counted by their form alone: the transform changes those of which it proves that meaning stays, and `shim evolve` tells why it leaves the others";

fn add_old_forms(picture: &Picture<'_>, into: &mut Vec<Opportunity>) {
    into.extend(FORMS.iter().filter_map(|form| old_form(picture, form)));
}

/// Every place of one form, as one opportunity.
fn old_form(picture: &Picture<'_>, form: &Form) -> Option<Opportunity> {
    let mut files: Vec<(u32, &str, u32)> = Vec::new();
    for (path, forms) in &picture.old_forms {
        let found = forms.iter().filter(|found| found.form == form.form);
        files.extend(found.map(|found| (found.count, *path, found.first_line)));
    }
    files.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    let total: u32 = files.iter().map(|(count, ..)| count).sum();
    let (_, path, line) = files.first().copied()?;
    let places = files.iter().take(MAX_EVIDENCE).map(|(count, path, line)| {
        let said = format!("{count} in this file");
        evidence("shim", said, Some(whole_line(path, *line, 0)))
    });
    let draft = Draft {
        kind: "modernize",
        identity: &[form.transform],
        title: format!(
            "{} in {}",
            counted(total as usize, form.one, form.many),
            plural(files.len(), "file")
        ),
        location: whole_line(path, line, 0),
        impact: 0.3 * saturating(f64::from(total), form.half),
        confidence: form.confidence,
        effort: 0.1,
        evidence: places
            .chain([evidence("shim", COUNTED_BY_FORM.to_owned(), None)])
            .collect(),
        transform: form.transform,
    };
    Some(draft.finish())
}

fn add_debt(markers: &[DebtMarker], into: &mut Vec<Opportunity>) {
    let mut files: BTreeMap<&str, Vec<(&DebtMarker, &Location)>> = BTreeMap::new();
    for marker in markers {
        if let Some(location) = &marker.location {
            files
                .entry(&location.path)
                .or_default()
                .push((marker, location));
        }
    }
    for (path, markers) in files {
        let grave = markers.iter().filter(|(it, _)| it.marker != "TODO");
        let grave = grave.count();
        let Some((_, first)) = markers.first() else {
            continue;
        };
        let places = markers.iter().take(MAX_EVIDENCE).map(|(marker, place)| {
            let said = format!("{}: {}", marker.marker, marker.text);
            evidence(MARKERS, said, Some((*place).clone()))
        });
        let draft = Draft {
            kind: "debt",
            identity: &[path],
            title: format!(
                "{} in {path}",
                counted(markers.len(), "marker of debt", "markers of debt")
            ),
            location: (*first).clone(),
            impact: 0.4 * saturating(float(markers.len() + 2 * grave), 8.0),
            confidence: 0.5,
            effort: 0.3,
            evidence: places.collect(),
            transform: "",
        };
        into.push(draft.finish());
    }
}
