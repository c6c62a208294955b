//! A line through values by least squares.

/// How much the fitted line rises from the first value to the last, as a share of its first; `None` for fewer than two values
/// or for nothing at all. A line that comes from nothing grew without bound.
pub(super) fn growth(values: &[f64]) -> Option<f64> {
    let last = f64::from(u32::try_from(values.len().checked_sub(1)?).ok()?);
    let mean_x = last / 2.0;
    let mean_y = values.iter().sum::<f64>() / (last + 1.0);
    let points = (0..).map(f64::from).zip(values);
    let (mut rise, mut spread) = (0.0, 0.0);
    for (x, y) in points {
        rise += (x - mean_x) * (y - mean_y);
        spread += (x - mean_x) * (x - mean_x);
    }
    let slope = if spread > 0.0 {
        rise / spread
    } else {
        return None;
    };
    let start = mean_y - slope * mean_x;
    if start > 0.0 {
        return Some(slope * last / start);
    }
    (slope > 0.0).then_some(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_doubles_grew_by_its_whole() {
        let growth = growth(&[10.0, 15.0, 20.0]).expect("three values");
        assert!((growth - 1.0).abs() < 1e-9);
    }

    #[test]
    fn noise_around_a_level_is_flat() {
        let growth = growth(&[10.0, 10.1, 9.9, 10.1, 10.0]).expect("five values");
        assert!(growth.abs() < 0.02, "{growth}");
    }

    #[test]
    fn what_comes_from_nothing_grows() {
        assert_eq!(growth(&[0.0, 0.0, 5.0]), Some(f64::INFINITY));
        assert_eq!(growth(&[0.0, 0.0, 0.0]), None);
    }

    #[test]
    fn one_value_says_nothing() {
        assert_eq!(growth(&[1.0]), None);
        assert_eq!(growth(&[]), None);
    }
}
