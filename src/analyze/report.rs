//! A report for people: the summary first, then what is worth doing with its evidence, then what was not read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};

use shim_proto::evolution::v1::{
    AnalysisReport, DeathPlace, Finding, Location, Opportunity, Severity, ToolRun, WorkHistory,
};
use shim_render::figures::count;
use shim_render::text::{lines, name, one_line};
use shim_render::time::{duration, span};

use crate::output::table::{Align, Table};

const UNREAD: usize = 20;
const EVIDENCE: usize = 3;

pub(super) fn print(report: &AnalysisReport, out: &mut dyn Write) -> io::Result<()> {
    // The summary is ours, and what it repeats of others cannot begin a line.
    for line in without_list(lines(&report.summary)) {
        writeln!(out, "{line}")?;
    }
    print_opportunities(&report.opportunities, out)?;
    print_hotspots(report, out)?;
    print_unread(report, out)?;
    if let Some(history) = &report.work_history {
        print_history(history, out)?;
    }
    print_tools(&report.tools, out)
}

/// The summary's lines without those of what is worth doing, which follow with their evidence.
fn without_list<'a>(
    lines: impl Iterator<Item = Cow<'a, str>>,
) -> impl Iterator<Item = Cow<'a, str>> {
    let mut is_in_list = false;
    lines.filter(move |line| {
        is_in_list = line == "Worth doing first:" || is_in_list && line.starts_with(' ');
        !is_in_list
    })
}

fn print_opportunities(opportunities: &[Opportunity], out: &mut dyn Write) -> io::Result<()> {
    if opportunities.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "Worth doing, best first:")?;
    for (i, it) in opportunities.iter().enumerate() {
        let transform = match it.transform.is_empty() {
            true => String::new(),
            false => format!(
                "  [shim evolve --transform {}]",
                one_line(&it.transform, 64)
            ),
        };
        writeln!(
            out,
            "{:>3}. {}  {}{transform}",
            i + 1,
            one_line(&it.title, 160),
            place(it.location.as_ref())
        )?;
        for evidence in it.evidence.iter().take(EVIDENCE) {
            writeln!(
                out,
                "     {} ({})",
                one_line(&evidence.text, 200),
                one_line(&evidence.tool, 60)
            )?;
        }
    }
    Ok(())
}

fn print_hotspots(report: &AnalysisReport, out: &mut dyn Write) -> io::Result<()> {
    if report.hotspots.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "Hard to change and changed often:")?;
    let mut table = Table::new(&[
        ("SCORE", Align::Right),
        ("COMMITS", Align::Right),
        ("AUTHORS", Align::Right),
        ("COMPLEXITY", Align::Right),
        ("FILE", Align::Left),
    ]);
    for it in report.hotspots.iter().take(10) {
        table.row([
            format!("{:.2}", it.score),
            it.commits.to_string(),
            it.authors.to_string(),
            format!("{:.0}", it.cyclomatic),
            name(&it.path, 160),
        ]);
    }
    table.print(out)
}

fn print_unread(report: &AnalysisReport, out: &mut dyn Write) -> io::Result<()> {
    if report.unread_files.is_empty() {
        return Ok(());
    }
    let number = report.unread_files.len();
    let paths = report.unread_files.iter().map(|unread| &unread.path);
    let files = paths.collect::<BTreeSet<_>>().len();
    writeln!(out)?;
    writeln!(out, "Not fully read ({}):", count(files as u64, "file"))?;
    for unread in report.unread_files.iter().take(UNREAD) {
        let tool = match unread.tool.is_empty() {
            true => "all tools",
            false => &unread.tool,
        };
        writeln!(
            out,
            "  {} by {}: {}",
            name(&unread.path, 160),
            one_line(tool, 60),
            one_line(&unread.reason, 200)
        )?;
    }
    if number > UNREAD {
        writeln!(out, "  and {} more", number - UNREAD)?;
    }
    Ok(())
}

fn print_history(history: &WorkHistory, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "SHIM's own history of the project:")?;
    for kind in &history.kinds {
        let main = match kind.main_failure.is_empty() {
            true => String::new(),
            false => format!(", mostly {}", one_line(&kind.main_failure, 100)),
        };
        writeln!(
            out,
            "  tasks of kind {}: {} completed, {} failed in {} attempts{main}",
            name(&kind.kind, 60),
            kind.completed,
            kind.failed,
            kind.attempts
        )?;
    }
    for step in &history.repeated_steps {
        writeln!(
            out,
            "  named {} times in {}: {}",
            step.times,
            count(step.sessions, "session"),
            one_line(&step.step, 200)
        )?;
    }
    print_deaths(&history.deaths, out)?;
    if history.kinds.is_empty() && history.repeated_steps.is_empty() && history.deaths.is_empty() {
        writeln!(out, "  nothing yet")?;
    }
    Ok(())
}

fn print_deaths(deaths: &[DeathPlace], out: &mut dyn Write) -> io::Result<()> {
    for death in deaths {
        let tokens = match death.median_tokens {
            0 => String::new(),
            tokens => format!(", at {tokens} tokens (median)"),
        };
        writeln!(
            out,
            "  {} ended by {}{tokens}: {}",
            count(death.sessions, "session"),
            one_line(&death.cause, 60),
            one_line(&death.task, 160)
        )?;
    }
    Ok(())
}

fn print_tools(tools: &[ToolRun], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    for tool in tools {
        let lasted =
            duration(tool.duration).map_or(String::new(), |it| format!(" in {}", span(it)));
        let cached = match tool.cached_files {
            0 => String::new(),
            cached => format!(", {cached} as before"),
        };
        let end = match tool.failure.is_empty() {
            true => format!("{}{cached}{lasted}", count(tool.files, "file")),
            false => format!("did not end: {}", one_line(&tool.failure, 300)),
        };
        let name = format!("{} {}", tool.tool, tool.version);
        writeln!(out, "{}: {end}", one_line(name.trim_end(), 60))?;
    }
    Ok(())
}

/// Findings in the order of paths and places.
pub(super) fn print_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "Findings ({}):", findings.len())?;
    for finding in findings {
        let severity = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note | Severity::Unspecified => "note",
        };
        let suppressed = match finding.suppression.is_empty() {
            true => "",
            false => " (suppressed)",
        };
        writeln!(
            out,
            "  {} {severity}{suppressed} {}  {} [{}]",
            place(finding.location.as_ref()),
            one_line(&finding.message, 200),
            one_line(&finding.rule, 80),
            one_line(&finding.tool, 40)
        )?;
    }
    Ok(())
}

fn place(location: Option<&Location>) -> String {
    match location {
        None => String::new(),
        Some(it) if it.line == 0 => name(&it.path, 160),
        Some(it) => format!("{}:{}:{}", name(&it.path, 160), it.line, it.column),
    }
}
