//! The look of a project's sources: quotes, semicolons, indentation. New texts are written in one look and then put into it.

/// How a project's texts look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether texts stand in double quotes.
    pub(crate) is_double: bool,
    /// Whether statements end in semicolons.
    pub(crate) has_semicolons: bool,
    /// One step of indentation.
    pub(crate) indent: String,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            is_double: false,
            has_semicolons: true,
            indent: "  ".to_owned(),
        }
    }
}

/// The step of indentation that texts are made with.
const OWN_INDENT: &str = "  ";

impl Style {
    /// What most lines of texts look like.
    pub(crate) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let (mut double, mut single) = (0_usize, 0_usize);
        let (mut ended, mut open) = (0_usize, 0_usize);
        let (mut tabs, mut twos, mut fours) = (0_usize, 0_usize, 0_usize);
        for line in texts.flat_map(str::lines) {
            double += line.matches('"').count();
            single += line.matches('\'').count();
            match line.trim_end().chars().last() {
                Some(';') => ended += 1,
                // A statement that ends in a call or a text may end in a semicolon.
                Some(')' | '\'' | '"') => open += 1,
                _ => {}
            }
            let inner = line.trim_start_matches(' ');
            match (line.len() - inner.len(), line.starts_with('\t')) {
                (_, true) => tabs += 1,
                (2, _) if !inner.starts_with('*') => twos += 1,
                (4, _) => fours += 1,
                _ => {}
            }
        }
        let indent = match () {
            () if tabs > twos + fours => "\t",
            // Every text with steps of two has lines of four as well.
            () if fours > 0 && twos * 8 < fours => "    ",
            () => OWN_INDENT,
        };
        Self {
            is_double: double > single,
            has_semicolons: ended * 2 >= open || ended + open == 0,
            indent: indent.to_owned(),
        }
    }

    /// A text that was made with single quotes, semicolons and steps of two spaces, in this look.
    pub(crate) fn apply(&self, text: &str) -> String {
        if *self == Self::default() {
            return text.to_owned();
        }
        let lines = text.lines().map(|line| self.line(line));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    fn line(&self, line: &str) -> String {
        let inner = line.trim_start_matches(' ');
        let steps = (line.len() - inner.len()) / OWN_INDENT.len();
        let body = if self.is_double {
            with_double_quotes(inner)
        } else {
            inner.to_owned()
        };
        let body = match body.strip_suffix(';') {
            Some(open) if !self.has_semicolons && !inner.starts_with("//") => open.to_owned(),
            _ => body,
        };
        self.indent.repeat(steps) + &body
    }
}

/// Texts in double quotes, but for those that hold one. Made lines hold no template and no comment after code.
fn with_double_quotes(line: &str) -> String {
    if line.starts_with("//") {
        return line.to_owned();
    }
    let chars: Vec<char> = line.chars().collect();
    let mut result = String::new();
    let mut at = 0;
    while at < chars.len() {
        let close = match chars[at] {
            '\'' => end_of(&chars, at, '\''),
            '/' if begins_pattern(&result) => end_of(&chars, at, '/'),
            _ => None,
        };
        let Some(close) = close else {
            result.push(chars[at]);
            at += 1;
            continue;
        };
        let inside: String = chars[at + 1..close].iter().collect();
        if chars[at] == '/' || inside.contains('"') {
            result.extend(&chars[at..=close]);
        } else {
            result.push('"');
            result.push_str(&inside.replace("\\'", "'"));
            result.push('"');
        }
        at = close + 1;
    }
    result
}

/// The place of the character that ends what begins at `start`.
fn end_of(chars: &[char], start: usize, end: char) -> Option<usize> {
    let (mut at, mut is_class) = (start + 1, false);
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            '[' if end == '/' => is_class = true,
            ']' => is_class = false,
            c if c == end && !is_class => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether a slash after `before` begins a regular expression.
fn begins_pattern(before: &str) -> bool {
    let last = before.trim_end().chars().last();
    last.is_none_or(|last| "(,=:[!&|?{};>".contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_is_that_of_most_lines() {
        let double =
            "import a from \"a\"\n\nfunction f() {\n    g(\"it's\")\n    return h(\"b\")\n}\n";
        let style = Style::of([double].into_iter());
        assert_eq!(
            style,
            Style {
                is_double: true,
                has_semicolons: false,
                indent: "    ".to_owned(),
            }
        );
        let usual =
            "const a = require('a');\nit('b', () => {\n  c();\n  d({\n    e: 'f',\n  });\n});\n";
        assert_eq!(Style::of([usual].into_iter()), Style::default());
        assert_eq!(Style::of(std::iter::empty()), Style::default());
        let tabs = "if (a) {\n\tb('c');\n}\n";
        assert_eq!(Style::of([tabs].into_iter()).indent, "\t");
    }

    #[test]
    fn a_text_is_put_into_a_look() {
        let style = Style {
            is_double: true,
            has_semicolons: false,
            indent: "\t".to_owned(),
        };
        let text = "// It's so;\nit('says \"a\"', () => {\n  f('it\\'s', /'[/']/, 'x;');\n    - 'b',\n});\n";
        let expected = "// It's so;\nit('says \"a\"', () => {\n\tf(\"it's\", /'[/']/, \"x;\")\n\t\t- \"b\",\n})\n";
        assert_eq!(style.apply(text), expected);
    }
}
