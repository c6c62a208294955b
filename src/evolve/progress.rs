//! How far a long call is, told on stderr once it takes longer than two seconds: at a terminal on one line that is drawn
//! again and again, elsewhere a line for each new stage.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use shim_proto::evolution::v1::Progress;
use shim_render::text::one_line;

use crate::output::say;

const SILENT_FOR: Duration = Duration::from_secs(2);
/// Between two lines at a terminal.
const REDRAW: Duration = Duration::from_millis(100);
const WIDTH: usize = 76;

/// What was told.
pub(crate) struct ProgressLine {
    begun: Instant,
    drawn: Option<Instant>,
    stage: String,
    is_terminal: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            drawn: None,
            stage: String::new(),
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Tells of progress, unless the call is young.
    pub(crate) fn tell(&mut self, progress: &Progress) {
        if self.begun.elapsed() < SILENT_FOR {
            return;
        }
        let text = text(progress);
        if self.is_terminal {
            if self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
                say::part(format_args!("\r{text:<WIDTH$}"));
                self.drawn = Some(Instant::now());
            }
        } else if self.stage != progress.stage {
            self.stage.clone_from(&progress.stage);
            say::line(text);
        }
    }

    /// Makes room for what is printed next.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            say::part(format_args!("\r{:WIDTH$}\r", ""));
        }
    }
}

fn text(progress: &Progress) -> String {
    let counted = match (progress.done, progress.total) {
        (0, 0) => String::new(),
        (done, 0) => format!(" {done}"),
        (done, total) => format!(" {done} of {total}"),
    };
    let text = one_line(
        &format!("{}{counted}: {}", progress.stage, progress.text),
        WIDTH,
    );
    text.trim_end_matches([':', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_stage_and_how_much_is_done() {
        let mut progress = Progress {
            stage: "lint".into(),
            text: "src/a\n.js".into(),
            done: 3,
            total: 9,
        };
        assert_eq!(text(&progress), "lint 3 of 9: src/a .js");
        progress.total = 0;
        assert_eq!(text(&progress), "lint 3: src/a .js");
        (progress.done, progress.text) = (0, String::new());
        assert_eq!(text(&progress), "lint");
    }
}
