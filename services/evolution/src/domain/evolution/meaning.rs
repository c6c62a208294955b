//! Lines that a change touched beyond what it means.

use shim_proto::evolution::v1::LineRange;

/// How many lines of `before` that are not meant are missing in `after`, byte for byte and in their order.
pub(crate) fn lines_beyond_meaning(before: &str, after: &str, meant: &[LineRange]) -> usize {
    let is_meant = |line: usize| {
        let number = u32::try_from(line + 1).unwrap_or(u32::MAX);
        meant
            .iter()
            .any(|range| (range.first..=range.last).contains(&number))
    };
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let mut at = 0;
    let mut missing = 0;
    for (line, text) in before.split_inclusive('\n').enumerate() {
        if is_meant(line) {
            continue;
        }
        match new[at..].iter().position(|other| *other == text) {
            Some(found) => at += found + 1,
            None => missing += 1,
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(ranges: &[(u32, u32)]) -> Vec<LineRange> {
        let range = |&(first, last)| LineRange { first, last };
        ranges.iter().map(range).collect()
    }

    #[test]
    fn a_line_that_is_not_meant_must_stay_byte_for_byte() {
        let before = "var a;\r\nf();\r\ng();\r\n";
        assert_eq!(
            lines_beyond_meaning(before, "let a;\r\nf();\r\ng();\r\n", &meant(&[(1, 1)])),
            0
        );
        assert_eq!(
            lines_beyond_meaning(before, "let a;\nf();\ng();\n", &meant(&[(1, 1)])),
            2
        );
        assert_eq!(
            lines_beyond_meaning(before, "let a;\r\nf();\r\ng();", &meant(&[(1, 1)])),
            1
        );
        assert_eq!(
            lines_beyond_meaning(before, "let a;\r\nf();\r\ng();\r\n", &[]),
            1
        );
        assert_eq!(
            lines_beyond_meaning(before, "g();\r\nf();\r\n", &meant(&[(1, 1)])),
            1
        );
    }

    #[test]
    fn lines_between_meant_ones_may_move_but_not_change() {
        let before = "a\nb\nc\n";
        assert_eq!(
            lines_beyond_meaning(before, "x\ny\nb\n", &meant(&[(1, 1), (3, 3)])),
            0
        );
    }
}
