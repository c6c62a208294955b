//! Lines with colours, cut to the width of a terminal. Colours only repeat what the words say.

use std::fmt::Write;

use shim_render::text::line;

/// How a piece of a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As everything else.
    Plain,
    /// What matters most.
    Bold,
    /// What matters least.
    Dim,
    /// It went well.
    Green,
    /// It is on its way.
    Cyan,
    /// It needs a look.
    Yellow,
    /// It went wrong.
    Red,
}

impl Style {
    /// The parameters of Select Graphic Rendition (ECMA-48); the terminal's own palette, so that themes hold.
    fn parameters(self) -> Option<u8> {
        Some(match self {
            Self::Plain => return None,
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Cyan => 36,
        })
    }
}

/// One line, piece by piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Style, String)>);

impl Line {
    /// Adds a piece.
    pub(crate) fn push(&mut self, style: Style, text: impl Into<String>) {
        self.0.push((style, line(&text.into()).into_owned()));
    }

    /// The same with one more piece.
    pub(crate) fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.push(style, text);
        self
    }

    /// The line as it is printed, at most `width` characters long and without trailing blanks.
    pub(crate) fn render(&self, width: usize, colours: bool) -> String {
        let length = self.length();
        let mut room = if length > width {
            width.saturating_sub(1)
        } else {
            width
        };
        let mut rendered = String::new();
        for (style, text) in &self.0 {
            let cut: String = text.chars().take(room).collect();
            room -= cut.chars().count();
            match style
                .parameters()
                .filter(|_| colours && !cut.trim().is_empty())
            {
                Some(parameters) => {
                    let _ = write!(rendered, "\x1b[{parameters}m{cut}\x1b[0m");
                }
                None => rendered += &cut,
            }
        }
        if length > width {
            rendered.push('…');
        }
        rendered.truncate(rendered.trim_end().len());
        rendered
    }

    fn length(&self) -> usize {
        let text: String = self.0.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_its_width_whatever_its_colours() {
        let line = Line::default()
            .with(Style::Bold, "index")
            .with(Style::Plain, "  ")
            .with(Style::Green, "completed");
        assert_eq!(line.render(80, false), "index  completed");
        assert_eq!(line.render(16, false), "index  completed");
        assert_eq!(line.render(10, false), "index  co…");
        assert_eq!(line.render(4, false), "ind…");
        assert_eq!(
            line.render(10, true),
            "\x1b[1mindex\x1b[0m  \x1b[32mco\x1b[0m…"
        );
    }

    #[test]
    fn blanks_at_the_end_take_no_room() {
        let line = Line::default()
            .with(Style::Plain, "ready")
            .with(Style::Dim, "          ");
        assert_eq!(line.render(5, true), "ready");
        assert_eq!(Line::default().render(5, true), "");
    }
}
