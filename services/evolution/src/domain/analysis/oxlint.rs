//! What oxlint writes: its own JSON, with places in bytes.

use std::collections::BTreeMap;

use serde::Deserialize;
use shim_proto::evolution::v1::{Finding, Severity, UnreadFile};

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
        let path = diagnostic
            .filename
            .trim_start_matches("./")
            .replace('\\', "/");
        let location = texts.get_key_value(path.as_str()).and_then(|(path, text)| {
            let span = &diagnostic.labels.first()?.span;
            let lines = lines.entry(path).or_insert_with(|| Lines::new(text));
            Some(lines.location(path, span.offset, span.offset + span.length))
        });
        let rule = diagnostic
            .code
            .as_deref()
            .map(rule_name)
            .unwrap_or_default();
        if rule.is_empty() && !answer.unparsed.iter().any(|unread| unread.path == path) {
            answer.unparsed.push(UnreadFile {
                path: path.clone(),
                tool: tool.to_owned(),
                reason: diagnostic.message.clone(),
            });
        }
        answer.findings.push(Finding {
            tool: tool.to_owned(),
            rule,
            severity: severity(diagnostic.severity.as_deref()).into(),
            message: diagnostic.message,
            location: Some(
                location.unwrap_or_else(|| shim_proto::evolution::v1::Location {
                    path,
                    line: 1,
                    column: 1,
                    ..Default::default()
                }),
            ),
            is_fixable: false,
            suppression: String::new(),
        });
    }
    Ok(answer)
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
