//! Opportunities in what the tools found: errors of types, and what linters take for bugs.

use std::collections::BTreeMap;

use shim_proto::evolution::v1::{Finding, Location, Opportunity, Severity};

use super::draft::{Draft, MAX_EVIDENCE, evidence, float, plural, saturating};
use super::picture::Picture;

/// Modules without declarations: told of a project whose packages are not installed.
const NOT_INSTALLED: [&str; 3] = ["TS2307", "TS2792", "TS7016"];
/// Rules of style: they say how code looks, not that it is wrong.
const STYLE: [&str; 10] = [
    "no-var",
    "prefer-const",
    "prefer-template",
    "object-shorthand",
    "prefer-arrow-callback",
    "no-unused-vars",
    "no-empty",
    "ban-ts-comment",
    "no-explicit-any",
    "no-require-imports",
];

/// The transforms that do what a rule asks for.
const TRANSFORMS: [(&str, &str); 10] = [
    ("no-var", "var-to-let-const"),
    ("prefer-const", "var-to-let-const"),
    ("prefer-template", "concat-to-template"),
    ("object-shorthand", "object-shorthand"),
    ("prefer-arrow-callback", "function-to-arrow"),
    ("prefer-spread", "apply-to-spread"),
    ("prefer-optional-chain", "optional-chaining"),
    ("prefer-nullish-coalescing", "nullish-coalescing"),
    ("no-require-imports", "require-to-import"),
    ("no-unreachable", "dead-code"),
];

pub(super) fn add(picture: &Picture<'_>, into: &mut Vec<Opportunity>) {
    let counted = picture
        .findings
        .iter()
        .filter(|finding| finding.suppression.is_empty());
    let (types, lint): (Vec<&Finding>, Vec<&Finding>) =
        counted.partition(|finding| finding.tool.starts_with("tsc "));
    add_types(&types, into);
    let heat = picture.heat();
    let mut rules: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in lint.into_iter().filter(|finding| !finding.rule.is_empty()) {
        rules.entry(&finding.rule).or_default().push(finding);
    }
    for (rule, findings) in rules {
        let hottest = findings
            .iter()
            .filter_map(|finding| heat.get(path(finding)).copied());
        let hottest = hottest.fold(0.0, f64::max);
        into.extend(broken_rule(rule, &findings, hottest));
    }
}

fn add_types(findings: &[&Finding], into: &mut Vec<Opportunity>) {
    let missing = findings
        .iter()
        .filter(|finding| NOT_INSTALLED.contains(&finding.rule.as_str()))
        .count();
    // Of modules without declarations, most other errors follow.
    let confidence = if missing * 4 > findings.len() {
        0.3
    } else {
        0.9
    };
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        files.entry(path(finding)).or_default().push(finding);
    }
    for (path, findings) in files {
        let place = if path.is_empty() { "the project" } else { path };
        let draft = Draft {
            kind: "types",
            identity: &[path],
            title: format!("{} of types in {place}", plural(findings.len(), "error")),
            location: location(&findings),
            impact: 0.4 + 0.6 * saturating(float(findings.len()), 10.0),
            confidence,
            effort: 0.1 + float(findings.len()) / 40.0,
            evidence: first_places(&findings),
            transform: "",
        };
        into.push(draft.finish());
    }
}

fn broken_rule(rule: &str, findings: &[&Finding], heat: f64) -> Option<Opportunity> {
    let first = findings.first()?;
    let name = rule.rsplit('/').next().unwrap_or(rule);
    let is_style = STYLE.contains(&name);
    let is_error = findings
        .iter()
        .any(|finding| finding.severity() == Severity::Error);
    let fixable = findings.iter().filter(|finding| finding.is_fixable).count();
    let weight = match (is_style, is_error) {
        (true, _) => 0.25,
        (false, true) => 0.8,
        (false, false) => 0.5,
    };
    let draft = Draft {
        kind: if is_style { "debt" } else { "bug" },
        identity: &[rule],
        title: format!("{rule}: {}", plural(findings.len(), "finding")),
        location: first.location.clone().unwrap_or_default(),
        impact: weight * (0.5 + 0.3 * saturating(float(findings.len()), 10.0) + 0.2 * heat),
        confidence: if is_style { 0.6 } else { 0.75 },
        effort: 0.1 + float(findings.len() - fixable) / 100.0,
        evidence: first_places(findings),
        transform: TRANSFORMS
            .iter()
            .find(|(of, _)| *of == name)
            .map_or("", |(_, transform)| transform),
    };
    Some(draft.finish())
}

fn first_places(findings: &[&Finding]) -> Vec<shim_proto::evolution::v1::Evidence> {
    let places = findings.iter().take(MAX_EVIDENCE);
    places
        .map(|finding| {
            evidence(
                &finding.tool,
                finding.message.clone(),
                finding.location.clone(),
            )
        })
        .collect()
}

fn location(findings: &[&Finding]) -> Location {
    findings
        .first()
        .and_then(|finding| finding.location.clone())
        .unwrap_or_default()
}

fn path(finding: &Finding) -> &str {
    finding
        .location
        .as_ref()
        .map_or("", |location| location.path.as_str())
}
