//! Places in a text. Lines and columns begin at 1; columns count UTF-16 units, whatever a tool counts in.

use std::cmp::Ordering;

use shim_proto::evolution::v1::{Finding, Location};

/// Where the lines of a text begin, as JavaScript counts lines: LF, CRLF, CR, U+2028 and U+2029 end one.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut starts = vec![0];
        let mut chars = text.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            let is_end = match char {
                '\n' | '\u{2028}' | '\u{2029}' => true,
                '\r' => chars.peek().is_none_or(|(_, next)| *next != '\n'),
                _ => false,
            };
            if is_end {
                starts.push(at + char.len_utf8());
            }
        }
        Self { text, starts }
    }

    /// How many lines there are; an empty text has one.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    /// Line and column of a byte offset. An offset beyond the end is the end; one within a character is its beginning.
    pub(crate) fn place(&self, offset: usize) -> (u32, u32) {
        let offset = floor_boundary(self.text, offset.min(self.text.len()));
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line.saturating_sub(1)];
        // ESLint and editors do not count the mark at the beginning of a file.
        let before = self.text[start..offset].trim_start_matches('\u{feff}');
        let before = if start == 0 {
            before
        } else {
            &self.text[start..offset]
        };
        let column = before.chars().map(char::len_utf16).sum::<usize>() + 1;
        (number(line), number(column))
    }

    /// The place of a range of bytes.
    pub(crate) fn location(&self, path: &str, from: usize, to: usize) -> Location {
        let (line, column) = self.place(from);
        let (end_line, end_column) = self.place(to);
        Location {
            path: path.to_owned(),
            line,
            column,
            end_line,
            end_column,
        }
    }
}

fn floor_boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// A count as the contract has it; what does not fit is its largest.
pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A whole line, without columns.
pub(crate) fn whole_line(path: &str, line: u32, end_line: u32) -> Location {
    Location {
        path: path.to_owned(),
        line,
        column: 1,
        end_line,
        end_column: 0,
    }
}

/// Findings in the order of paths and places; at one place, of tools and rules.
pub(crate) fn by_place(one: &Finding, other: &Finding) -> Ordering {
    order(one).cmp(&order(other))
}

fn order(finding: &Finding) -> (&str, u32, u32, &str, &str, &str) {
    let place = finding.location.as_ref();
    let (path, line, column) =
        place.map_or(("", 0, 0), |place| (&*place.path, place.line, place.column));
    (
        path,
        line,
        column,
        &finding.tool,
        &finding.rule,
        &finding.message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf16_units() {
        let text = "const é = \"😀\"; debugger;";
        let lines = Lines::new(text);
        let offset = text.find("debugger").unwrap();
        assert_eq!(lines.place(offset), (1, 17));
    }

    #[test]
    fn every_line_end_of_javascript_ends_a_line() {
        let text = "a\nb\r\nc\rd\u{2028}e\u{2029}f";
        let lines = Lines::new(text);
        assert_eq!(lines.count(), 6);
        for (index, letter) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
            let place = lines.place(text.find(letter).unwrap());
            assert_eq!(place, (number(index + 1), 1), "{letter}");
        }
    }

    #[test]
    fn a_byte_order_mark_has_no_column() {
        let text = "\u{feff}var a\nvar b";
        let lines = Lines::new(text);
        assert_eq!(lines.place(3), (1, 1));
        assert_eq!(lines.place(text.len()), (2, 6));
    }

    proptest::proptest! {
        #[test]
        fn any_offset_has_a_place(text in "\\PC{0,40}[\r\n\u{2028}]?\\PC{0,9}", offset in 0_usize..200) {
            let (line, column) = Lines::new(&text).place(offset);
            proptest::prop_assert!(line >= 1 && column >= 1);
        }
    }
}
