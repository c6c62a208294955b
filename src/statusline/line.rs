//! The status line: its pieces in the order in which they matter, as many as there is room for.

use shim_proto::checkpoint::v1::RiskLevel;
use shim_render::figures::count;
use shim_render::text::one_line;
use shim_render::time::{duration, span};
use shim_render::words::risk_level;
use shim_runtime::config::ConfigErrors;

use super::facts::Facts;
use crate::output::style::{Line, Style};
use crate::output::time::ago;

/// Columns of a client that does not tell them.
const USUAL_COLUMNS: usize = 80;
const BEGIN: &str = "shim ";
const BETWEEN: &str = " · ";
/// Characters of what raised the risk.
const RAISED_WIDTH: usize = 60;
/// Characters of what is wrong with the configuration.
const WRONG_WIDTH: usize = 120;
/// A context that is full sooner needs a look.
const SOON_SECONDS: u64 = 10 * 60;

/// How much room there is, and whether colours show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) columns: usize,
    pub(super) colours: bool,
}

impl Look {
    /// As the client tells in the environment. It shows colours, unless the user wants none (no-color.org).
    pub(super) fn of_process() -> Self {
        let columns = std::env::var("COLUMNS").ok();
        let columns = columns.and_then(|columns| columns.trim().parse().ok());
        Self {
            columns: columns
                .filter(|columns| *columns > 0)
                .unwrap_or(USUAL_COLUMNS),
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// The line; empty if nothing is known.
pub(super) fn line(facts: &Facts, look: &Look) -> String {
    let pieces = pieces(facts);
    if pieces.is_empty() {
        return String::new();
    }
    let mut line = Line::default().with(Style::Dim, BEGIN);
    let mut used = BEGIN.chars().count();
    for (at, (style, text)) in pieces.into_iter().enumerate() {
        let between = if at == 0 { "" } else { BETWEEN };
        let width = between.chars().count() + text.chars().count();
        // The first piece is cut rather than left out.
        if at > 0 && used + width > look.columns {
            continue;
        }
        line.push(Style::Dim, between);
        line.push(style, text);
        used += width;
    }
    line.render(look.columns, look.colours)
}

/// The line of a program that can ask nobody: until it is mended, the session is not saved.
pub(super) fn misconfigured(wrong: &ConfigErrors, look: &Look) -> String {
    let first = wrong.0.first().map(String::as_str).unwrap_or_default();
    let text = format!(
        "not saving, its configuration is wrong: {}",
        one_line(first, WRONG_WIDTH)
    );
    let mut line = Line::default().with(Style::Dim, BEGIN);
    line.push(Style::Red, text);
    line.render(look.columns, look.colours)
}

fn pieces(facts: &Facts) -> Vec<(Style, String)> {
    let pieces = [
        saved(facts),
        level(facts),
        full(facts),
        some(facts.tasks.map(u64::from), Style::Cyan, "task", " in hand"),
        some(facts.unread, Style::Yellow, "unread message", ""),
        interrupted(facts),
    ];
    pieces.into_iter().flatten().collect()
}

fn saved(facts: &Facts) -> Option<(Style, String)> {
    let at = facts.standing.last_checkpoint_at.as_ref();
    match at {
        Some(at) => Some((Style::Plain, format!("saved {}", ago(Some(at))))),
        None if facts.has_session => Some((Style::Plain, "not saved yet".to_owned())),
        None => None,
    }
}

fn level(facts: &Facts) -> Option<(Style, String)> {
    let level = facts.standing.risk_level();
    let style = match level {
        RiskLevel::Unspecified => return None,
        RiskLevel::Safe => Style::Green,
        RiskLevel::Warning => Style::Yellow,
        RiskLevel::Danger => Style::Red,
    };
    let raised = one_line(&without_limits(&facts.standing.raised), RAISED_WIDTH);
    let word = risk_level(level);
    Some((
        style,
        if raised.is_empty() {
            word.to_owned()
        } else {
            format!("{word}: {raised}")
        },
    ))
}

/// What raised the level, without the limits that stand in parentheses behind each value.
fn without_limits(raised: &str) -> String {
    let factors = raised.split(", ");
    let values = factors.map(|factor| factor.split(" (").next().unwrap_or(factor));
    values.collect::<Vec<_>>().join(", ")
}

fn full(facts: &Facts) -> Option<(Style, String)> {
    let left = duration(facts.standing.context_full_in)?;
    let style = if left.as_secs() < SOON_SECONDS {
        Style::Yellow
    } else {
        Style::Plain
    };
    let text = match left.as_secs() {
        0 => "context full".to_owned(),
        _ => format!("context full in about {} at this pace", span(rounded(left))),
    };
    Some((style, text))
}

/// A forecast is not known to the second: minutes from a minute on.
fn rounded(left: std::time::Duration) -> std::time::Duration {
    let seconds = left.as_secs();
    std::time::Duration::from_secs(if seconds < 60 {
        seconds
    } else {
        (seconds + 30) / 60 * 60
    })
}

fn some(number: Option<u64>, style: Style, noun: &str, what: &str) -> Option<(Style, String)> {
    let number = number.filter(|number| *number > 0)?;
    Some((style, format!("{}{what}", count(number, noun))))
}

fn interrupted(facts: &Facts) -> Option<(Style, String)> {
    let waiting = u64::from(facts.standing.interrupted_sessions);
    some(Some(waiting), Style::Yellow, "session", " to bring back")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use shim_proto::checkpoint::v1::SessionFacts;

    fn facts() -> Facts {
        Facts {
            has_session: true,
            standing: SessionFacts {
                last_checkpoint_at: samples::ago(180),
                risk_level: RiskLevel::Warning.into(),
                raised: "context 0.64 (warning from 0.60), messages 40 (warning from 35)"
                    .to_owned(),
                context_full_in: Some(prost_types::Duration {
                    seconds: 730,
                    nanos: 0,
                }),
                interrupted_sessions: 1,
                ..SessionFacts::default()
            },
            tasks: Some(2),
            unread: Some(1),
        }
    }

    fn plain(facts: &Facts, columns: usize) -> String {
        line(
            facts,
            &Look {
                columns,
                colours: false,
            },
        )
    }

    #[test]
    fn all_that_is_known_stands_on_one_line() {
        assert_eq!(
            plain(&facts(), 300),
            "shim saved 3 min ago · warning: context 0.64, messages 40 · context full in about 12 min at this pace · \
             2 tasks in hand · 1 unread message · 1 session to bring back"
        );
    }

    #[test]
    fn a_wrong_configuration_is_said() {
        let wrong = ConfigErrors(vec!["SHIM_X: no\nsuch key".to_owned(), "more".to_owned()]);
        let look = |columns| Look {
            columns,
            colours: false,
        };
        assert_eq!(
            misconfigured(&wrong, &look(100)),
            "shim not saving, its configuration is wrong: SHIM_X: no such key"
        );
        assert!(misconfigured(&wrong, &look(30)).chars().count() <= 30);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(plain(&Facts::default(), 80), "");
        let unsaved = Facts {
            has_session: true,
            unread: Some(0),
            ..Facts::default()
        };
        assert_eq!(plain(&unsaved, 80), "shim not saved yet");
        let mut safe = unsaved;
        safe.standing.set_risk_level(RiskLevel::Safe);
        safe.standing.context_full_in = Some(prost_types::Duration::default());
        assert_eq!(plain(&safe, 80), "shim not saved yet · safe · context full");
    }

    #[test]
    fn a_narrow_line_keeps_whole_pieces() {
        let narrow = plain(&facts(), 60);
        assert_eq!(
            narrow,
            "shim saved 3 min ago · warning: context 0.64, messages 40"
        );
        assert!(plain(&facts(), 10).chars().count() <= 10);
    }

    #[test]
    fn texts_of_others_cannot_colour_or_break_the_line() {
        let mut hostile = facts();
        hostile.standing.raised = "a\nb\u{1b}[2Jc".to_owned();
        let look = Look {
            columns: 300,
            colours: true,
        };
        let text = line(&hostile, &look);
        assert!(
            !text.contains('\n') && !text.contains("\u{1b}[2J"),
            "{text}"
        );
        assert!(text.contains("\u{1b}[33mwarning: a b"), "{text}");
    }
}
