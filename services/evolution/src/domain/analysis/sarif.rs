//! An analysis as SARIF 2.1.0, which code hosts and editors read.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shim_proto::evolution::v1::{AnalysisReport, Finding, Location, Severity};

/// The report's findings, one run for each tool. Columns count UTF-16 units, which the run says.
#[must_use]
pub fn sarif(report: &AnalysisReport, findings: &[Finding]) -> Value {
    let mut by_tool: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for run in &report.tools {
        by_tool.entry(&run.tool).or_default();
    }
    for finding in findings {
        let name = name_and_version(&finding.tool).0;
        by_tool.entry(name).or_default().push(finding);
    }
    let runs = by_tool
        .iter()
        .map(|(tool, findings)| run(report, tool, findings));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs.collect::<Vec<_>>(),
    })
}

fn run(report: &AnalysisReport, tool: &str, findings: &[&Finding]) -> Value {
    let mut rules: Vec<&str> = findings.iter().map(|finding| rule(finding)).collect();
    rules.sort_unstable();
    rules.dedup();
    let described = rules.iter().map(|id| json!({ "id": id }));
    let mut driver = json!({ "name": tool, "rules": described.collect::<Vec<_>>() });
    let tool_run = report.tools.iter().find(|run| run.tool == tool);
    let version = tool_run.map(|run| run.version.as_str());
    let version = version.or_else(|| {
        findings
            .first()
            .map(|finding| name_and_version(&finding.tool).1)
    });
    if let Some(version) = version.filter(|version| !version.is_empty()) {
        driver["version"] = json!(version);
    }
    let unread = report
        .unread_files
        .iter()
        .filter(|file| name_and_version(&file.tool).0 == tool);
    let notes = unread.map(|file| {
        json!({
            "level": "error",
            "message": { "text": format!("not read: {}", file.reason) },
            "locations": [{ "physicalLocation": { "artifactLocation": artifact(&file.path) } }],
        })
    });
    let failure = tool_run.map_or("", |run| run.failure.as_str());
    let mut notes: Vec<Value> = notes.collect();
    if !failure.is_empty() {
        notes.push(json!({ "level": "error", "message": { "text": failure } }));
    }
    json!({
        "tool": { "driver": driver },
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": { "ROOT": { "uri": folder_uri(report) } },
        "invocations": [{ "executionSuccessful": failure.is_empty(), "toolExecutionNotifications": notes }],
        "results": findings.iter().map(|finding| result(finding, &rules)).collect::<Vec<_>>(),
    })
}

fn result(finding: &Finding, rules: &[&str]) -> Value {
    let id = rule(finding);
    let mut result = json!({
        "ruleId": id,
        "ruleIndex": rules.binary_search(&id).unwrap_or_default(),
        "level": level(finding.severity()),
        "message": { "text": finding.message },
    });
    if let Some(location) = finding
        .location
        .as_ref()
        .filter(|location| !location.path.is_empty())
    {
        result["locations"] = json!([{ "physicalLocation": physical(location) }]);
    }
    if !finding.suppression.is_empty() {
        let kind = if finding.suppression == "file" {
            "external"
        } else {
            "inSource"
        };
        result["suppressions"] = json!([{ "kind": kind, "justification": finding.suppression }]);
    }
    result
}

fn physical(location: &Location) -> Value {
    let mut physical = json!({ "artifactLocation": artifact(&location.path) });
    if location.line == 0 {
        return physical;
    }
    let numbers = [
        ("startLine", location.line),
        ("startColumn", location.column),
        ("endLine", location.end_line),
        ("endColumn", location.end_column),
    ];
    let region = numbers.into_iter().filter(|(_, number)| *number > 0);
    physical["region"] = region
        .map(|(name, number)| (name.to_owned(), json!(number)))
        .collect();
    physical
}

fn artifact(path: &str) -> Value {
    json!({ "uri": uri_path(path), "uriBaseId": "ROOT" })
}

fn folder_uri(report: &AnalysisReport) -> String {
    let root = report
        .project
        .as_ref()
        .map_or("/", |project| project.root.as_str());
    format!("file://{}/", uri_path(root.trim_end_matches('/')))
}

fn uri_path(path: &str) -> String {
    use std::fmt::Write as _;
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(byte.into());
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// A parse error has no rule of its own.
fn rule(finding: &Finding) -> &str {
    if finding.rule.is_empty() {
        "parse-error"
    } else {
        &finding.rule
    }
}

fn name_and_version(tool: &str) -> (&str, &str) {
    tool.rsplit_once(' ').unwrap_or((tool, ""))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
        Severity::Unspecified => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::evolution::v1::{Project, ToolRun, UnreadFile};

    #[test]
    fn every_tool_is_a_run_and_what_was_not_read_is_said() {
        let report = AnalysisReport {
            project: Some(Project {
                root: "/work space/ä".to_owned(),
                ..Project::default()
            }),
            tools: vec![ToolRun {
                tool: "eslint".to_owned(),
                version: "10.15.0".to_owned(),
                ..ToolRun::default()
            }],
            unread_files: vec![UnreadFile {
                path: "bad.js".to_owned(),
                tool: "eslint 10.15.0".to_owned(),
                reason: "no".to_owned(),
            }],
            ..AnalysisReport::default()
        };
        let finding = Finding {
            tool: "eslint 10.15.0".to_owned(),
            rule: "no-var".to_owned(),
            severity: Severity::Error.into(),
            message: "m".to_owned(),
            location: Some(Location {
                path: "a b.js".to_owned(),
                line: 1,
                column: 2,
                end_line: 1,
                end_column: 5,
            }),
            suppression: "because".to_owned(),
            ..Finding::default()
        };
        let sarif = sarif(&report, &[finding]);
        let run = &sarif["runs"][0];
        assert_eq!(run["tool"]["driver"]["version"], "10.15.0");
        assert_eq!(
            run["originalUriBaseIds"]["ROOT"]["uri"],
            "file:///work%20space/%C3%A4/"
        );
        let place = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.js");
        assert_eq!(
            place["region"],
            json!({"startLine": 1, "startColumn": 2, "endLine": 1, "endColumn": 5})
        );
        assert_eq!(run["results"][0]["suppressions"][0]["kind"], "inSource");
        assert_eq!(
            run["invocations"][0]["toolExecutionNotifications"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
}
