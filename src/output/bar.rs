//! Progress bars of characters.

/// From an eighth of a cell to a whole one.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const EMPTY: char = '░';

/// A bar of `width` characters for 0..1, exact to an eighth of a character. Only what is done whole looks full.
pub(crate) fn bar(fraction: f64, width: usize) -> String {
    let eighths = (fraction.clamp(0.0, 1.0) * (width * 8) as f64).floor() as usize;
    let mut bar: String = std::iter::repeat_n(EIGHTHS[7], eighths / 8).collect();
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
    }
    let drawn = bar.chars().count();
    bar.extend(std::iter::repeat_n(EMPTY, width.saturating_sub(drawn)));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_it_should_be() {
        assert_eq!(bar(0.0, 4), "░░░░");
        assert_eq!(bar(0.5, 4), "██░░");
        assert_eq!(bar(0.55, 4), "██▏░");
        assert_eq!(bar(1.0, 4), "████");
        for step in 0..=100 {
            assert_eq!(bar(f64::from(step) / 100.0, 7).chars().count(), 7);
        }
    }

    #[test]
    fn what_is_not_done_does_not_look_done() {
        assert_eq!(bar(0.999, 4), "███▉");
        assert_eq!(bar(f64::NAN, 4), "░░░░");
        assert_eq!(bar(7.0, 2), "██");
    }
}
