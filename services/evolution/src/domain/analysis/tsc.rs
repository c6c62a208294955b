//! What the TypeScript compiler writes when its output is no terminal.

use shim_proto::evolution::v1::{Finding, Location, Severity};

/// Reads its lines: `a.ts(2,26): error TS2339: text`, nested details indented below. Errors without a file have no path.
pub(crate) fn read(output: &str, tool: &str, path_of: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for line in output.lines() {
        if line.starts_with(' ') {
            if let Some(last) = findings.last_mut() {
                last.message.push('\n');
                last.message.push_str(line.trim());
            }
        } else if let Some(finding) = diagnostic(line, tool, &path_of) {
            findings.push(finding);
        }
    }
    findings
}

fn diagnostic(line: &str, tool: &str, path_of: &impl Fn(&str) -> String) -> Option<Finding> {
    let (place, rest) = match line.split_once("): ") {
        Some((place, rest)) if is_category(rest) => (Some(place), rest),
        _ => (None, line),
    };
    let (category, rest) = rest.split_once(" TS")?;
    let (code, message) = rest.split_once(": ")?;
    if !is_category(line) && place.is_none() || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let location = place.and_then(|place| {
        let (path, numbers) = place.rsplit_once('(')?;
        let (line, column) = numbers.split_once(',')?;
        Some(Location {
            path: path_of(path),
            line: line.parse().ok()?,
            column: column.parse().ok()?,
            ..Location::default()
        })
    });
    Some(Finding {
        tool: tool.to_owned(),
        rule: format!("TS{code}"),
        severity: if category == "error" {
            Severity::Error
        } else {
            Severity::Warning
        }
        .into(),
        message: message.to_owned(),
        location: Some(location.unwrap_or_default()),
        ..Finding::default()
    })
}

fn is_category(text: &str) -> bool {
    ["error TS", "warning TS", "message TS", "suggestion TS"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Whether an error is of syntax: any of them hides all errors of types.
pub(crate) fn is_syntax(finding: &Finding) -> bool {
    let code = finding.rule.trim_start_matches("TS").parse::<u32>();
    code.is_ok_and(|code| (1000..2000).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_details_and_errors_of_the_whole_are_read() {
        let output = "src/a (1).ts(2,26): error TS2322: Type 'A' is not assignable.\n  Property 'x' is missing.\n    Deeper.\n\
            error TS18003: No inputs were found.\nsome noise\na.js(1,9): error TS1005: ';' expected.\n";
        let findings = read(output, "tsc 7", str::to_owned);
        assert_eq!(findings.len(), 3);
        let place = findings[0].location.clone().unwrap();
        assert_eq!(
            (place.path.as_str(), place.line, place.column),
            ("src/a (1).ts", 2, 26)
        );
        assert_eq!(
            findings[0].message,
            "Type 'A' is not assignable.\nProperty 'x' is missing.\nDeeper."
        );
        assert_eq!(findings[1].location.clone().unwrap().path, "");
        assert!(is_syntax(&findings[2]) && !is_syntax(&findings[0]) && !is_syntax(&findings[1]));
    }
}
