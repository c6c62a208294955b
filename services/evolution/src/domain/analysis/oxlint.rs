//! What oxlint writes: its own JSON, with places in bytes.

use std::collections::BTreeMap;

use serde::Deserialize;
use shim_proto::evolution::v1::{Finding, Location, Severity, UnreadFile};

use super::places::Lines;

#[derive(Deserialize)]
struct Output {
    diagnostics: Vec<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    code: Option<String>,
    severity: Option<String>,
    #[serde(default)]
    filename: String,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    offset: usize,
    length: usize,
}

/// Findings, and the files that could not be parsed.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct OxlintAnswer {
    /// In the order of oxlint.
    pub(crate) findings: Vec<Finding>,
    /// With what was wrong.
    pub(crate) unparsed: Vec<UnreadFile>,
}

/// Reads the output; `texts` are the files by the path that oxlint was given.
///
/// # Errors
/// If it is not what oxlint writes.
pub(crate) fn read(
    json: &[u8],
    tool: &str,
    texts: &BTreeMap<&str, &str>,
) -> Result<OxlintAnswer, String> {
    let output: Output = serde_json::from_slice(json).map_err(|why| why.to_string())?;
    let mut lines: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    let mut answer = OxlintAnswer::default();
    for diagnostic in output.diagnostics {
        let path = diagnostic.path();
        let location = texts.get_key_value(path.as_str()).and_then(|(path, text)| {
            let span = &diagnostic.labels.first()?.span;
            let lines = lines.entry(path).or_insert_with(|| Lines::new(text));
            Some(lines.location(path, span.offset, span.offset + span.length))
        });
        let location = location.unwrap_or_else(|| beginning(&path));
        let finding = diagnostic.into_finding(tool, location);
        let is_told = answer.unparsed.iter().any(|unread| unread.path == path);
        if finding.rule.is_empty() && !is_told {
            answer.unparsed.push(UnreadFile {
                path,
                tool: tool.to_owned(),
                reason: finding.message.clone(),
            });
        }
        answer.findings.push(finding);
    }
    Ok(answer)
}

impl Diagnostic {
    /// The file's path, as the analysis has it.
    fn path(&self) -> String {
        let path = self.filename.trim_start_matches("./");
        path.replace('\\', "/")
    }

    fn into_finding(self, tool: &str, location: Location) -> Finding {
        Finding {
            tool: tool.to_owned(),
            rule: self.code.as_deref().map(rule_name).unwrap_or_default(),
            severity: severity(self.severity.as_deref()).into(),
            message: self.message,
            location: Some(location),
            is_fixable: false,
            suppression: String::new(),
        }
    }
}

/// Where a file begins.
fn beginning(path: &str) -> Location {
    Location {
        path: path.to_owned(),
        line: 1,
        column: 1,
        ..Location::default()
    }
}

/// `eslint(no-var)` is the rule `eslint/no-var`.
fn rule_name(code: &str) -> String {
    match code.split_once('(') {
        Some((plugin, rule)) => format!("{plugin}/{}", rule.trim_end_matches(')')),
        None => code.to_owned(),
    }
}

fn severity(name: Option<&str>) -> Severity {
    match name {
        Some("error") => Severity::Error,
        Some("warning") => Severity::Warning,
        _ => Severity::Note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_utf16_units_and_parse_errors_are_unread_files() {
        let text = "const é = \"😀\"; debugger;";
        let json = r#"{"diagnostics": [
            {"message": "no", "code": "eslint(no-debugger)", "severity": "warning", "filename": "a.js", "labels": [{"span": {"offset": 19, "length": 9}}]},
            {"message": "Unexpected token", "severity": "error", "filename": "bad.js", "labels": []}], "number_of_files": 2}"#;
        let answer = read(json.as_bytes(), "oxlint 1", &[("a.js", text)].into()).unwrap();
        let place = answer.findings[0].location.clone().unwrap();
        assert_eq!((place.line, place.column, place.end_column), (1, 17, 26));
        assert_eq!(answer.findings[0].rule, "eslint/no-debugger");
        assert_eq!(answer.unparsed.len(), 1);
        assert_eq!(
            (
                answer.unparsed[0].path.as_str(),
                answer.unparsed[0].reason.as_str()
            ),
            ("bad.js", "Unexpected token")
        );
    }

    #[test]
    fn plain_text_is_an_error() {
        assert!(
            read(
                b"Failed to find tsgolint executable",
                "oxlint 1",
                &BTreeMap::new()
            )
            .is_err()
        );
    }
}
