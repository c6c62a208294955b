//! Words and figures of the tables: short ids, enum names, sizes, and foreign text made safe for a terminal.

/// The digits of a session's id that tell it from its neighbours: UUIDv7 ids of one hour begin alike.
const SHORT_ID: usize = 8;

/// The last eight digits of an id, which every command takes in its place.
pub(crate) fn short_id(id: &str) -> &str {
    id.char_indices()
        .nth_back(SHORT_ID - 1)
        .map_or(id, |(start, _)| &id[start..])
}

/// `SESSION_STATUS_ACTIVE` without its prefix, in lower case.
pub(crate) fn variant(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .trim_start_matches('_')
        .to_lowercase()
        .replace('_', " ")
}

/// One line of at most `limit` characters. What a model wrote may hold line breaks and terminal escapes.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    if line.chars().count() > limit {
        line = line
            .chars()
            .take(limit.saturating_sub(1))
            .collect::<String>()
            + "…";
    }
    line
}

/// Text of several lines with terminal escapes taken out.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// 0..1 as a percentage.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.0} %", fraction * 100.0)
}

/// Bytes in the unit that reads best.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    format!("{amount:.1} {unit}")
}

/// "1 session", "2 sessions".
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\nb\t c", 20), "a[2J b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(printable("a\u{1b}[1m\nb\u{7}"), "a[1m\nb");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KB");
        assert_eq!(bytes(5 * 1024 * 1024), "5.0 MB");
        assert_eq!(percent(0.4), "40 %");
        assert_eq!(
            variant("INTERRUPTION_CAUSE_OUT_OF_MEMORY", "INTERRUPTION_CAUSE"),
            "out of memory"
        );
        assert_eq!(short_id("01890a5d-ac96-774b-bcce-b302099a8057"), "099a8057");
        assert_eq!(short_id("abc"), "abc");
    }
}
