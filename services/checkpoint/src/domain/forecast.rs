//! When the context of a conversation is full, at the pace at which it grew lately.
//!
//! (A) What cannot be known is not said: with too few points, after a pause, and where the context does not grow. (B) Only
//! what came after the last compaction and the last pause counts. (C) The pace is the median of the slopes between all
//! points, so that one odd point does not change it.

use std::time::Duration;

use shim_sqlite::UnixMicros;

/// Points that are looked at, the newest ones.
pub(crate) const MAX_POINTS: u32 = 60;
const MIN_POINTS: usize = 4;
/// The points cover at least this time.
const MIN_SPAN: Duration = Duration::from_secs(60);
/// Nobody worked in a longer gap, and the pace before it says nothing of now.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// The context holds less than this share of what it did: it was compacted or cleared.
const FALL: f64 = 0.8;
/// A later end is none.
const MAX_FORECAST: Duration = Duration::from_secs(24 * 3_600);

/// At most one snapshot is kept of each so long.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// After this time any change is kept.
const KEEP_ANY_AFTER: Duration = Duration::from_secs(60);
/// A change by this share of the window is kept, and by so many tokens where no window is known.
const KEEP_SHARE: f64 = 0.01;
const KEEP_TOKENS: f64 = 2_000.0;

/// How much the context held at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: UnixMicros,
    pub(crate) tokens: u64,
    /// The window, where it is known.
    pub(crate) window: Option<u64>,
}

/// How long it is from `now` until the context holds `window` tokens, at the pace of the points; `None` where that cannot be
/// known. The points may come in any order.
pub(crate) fn context_full_in(points: &[Point], window: u64, now: UnixMicros) -> Option<Duration> {
    let points = of_present_work(points);
    let (first, last) = (points.first()?, points.last()?);
    let span = last.at.since(first.at);
    if points.len() < MIN_POINTS || span < MIN_SPAN || now.since(last.at) > PAUSE {
        return None;
    }
    let pace = median_slope(&points).filter(|pace| *pace > 0.0)?;
    let left = window.saturating_sub(last.tokens) as f64;
    let seconds = left / pace;
    if seconds > MAX_FORECAST.as_secs_f64() {
        return None;
    }
    let since = now.since(last.at);
    Some(Duration::from_secs_f64(seconds).saturating_sub(since))
}

/// The newest points, in their order, since the context fell or nobody worked.
fn of_present_work(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|point| (point.at, point.tokens));
    sorted.dedup_by_key(|point| point.at);
    let is_break = |pair: &[Point]| match pair {
        [before, after] => {
            (after.tokens as f64) < FALL * before.tokens as f64 || after.at.since(before.at) > PAUSE
        }
        _ => false,
    };
    let begin = sorted.windows(2).rposition(is_break).map_or(0, |at| at + 1);
    let newest = sorted.len().saturating_sub(MAX_POINTS as usize);
    sorted.split_off(begin.max(newest))
}

/// Tokens a second: the median of the slopes of all pairs (Theil and Sen).
fn median_slope(points: &[Point]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (at, one) in points.iter().enumerate() {
        for other in &points[at + 1..] {
            let seconds = other.at.since(one.at).as_secs_f64();
            slopes.push((other.tokens as f64 - one.tokens as f64) / seconds);
        }
    }
    slopes.retain(|slope| slope.is_finite());
    let middle = slopes.len().checked_sub(1)? / 2;
    let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

/// Whether a measured point is kept beside the newest one: not too often, and only if it says something new.
pub(crate) fn is_news(newest: Option<&Point>, measured: &Point) -> bool {
    let Some(newest) = newest else {
        return true;
    };
    let age = measured.at.since(newest.at);
    if age < KEEP_EVERY {
        return false;
    }
    let change = newest.tokens.abs_diff(measured.tokens) as f64;
    let share = measured.window.map(|window| window as f64 * KEEP_SHARE);
    let is_other_window = measured.window != newest.window;
    is_other_window
        || change >= share.unwrap_or(KEEP_TOKENS)
        || (change > 0.0 && age >= KEEP_ANY_AFTER)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const WINDOW: u64 = 200_000;

    fn point(seconds: i64, tokens: u64) -> Point {
        Point {
            at: UnixMicros(seconds * SECOND),
            tokens,
            window: Some(WINDOW),
        }
    }

    /// `count` points, `every` seconds apart, each `more` tokens more.
    fn steady(begin: i64, count: i64, every: i64, from: u64, more: u64) -> Vec<Point> {
        let all = 0..count;
        all.map(|at| point(begin + at * every, from + more * at.unsigned_abs()))
            .collect()
    }

    fn full_in(points: &[Point], now: i64) -> Option<u64> {
        context_full_in(points, WINDOW, UnixMicros(now * SECOND)).map(|left| left.as_secs())
    }

    #[test]
    fn a_steady_pace_goes_on() {
        // 100 tokens a second from 100,000: 1,000 s from the first point on.
        let points = steady(0, 11, 30, 100_000, 3_000);
        assert_eq!(full_in(&points, 300), Some(700));
        assert_eq!(full_in(&points, 400), Some(600), "time passes");
        assert_eq!(
            full_in(&steady(0, 11, 30, 199_000, 3_000), 300),
            Some(0),
            "it is full"
        );
    }

    #[test]
    fn what_cannot_be_known_is_not_said() {
        let points = steady(0, 11, 30, 100_000, 3_000);
        assert_eq!(full_in(&[], 0), None);
        assert_eq!(full_in(&points[..3], 60), None, "too few");
        assert_eq!(
            full_in(&steady(0, 11, 1, 100_000, 100), 10),
            None,
            "too short a time"
        );
        assert_eq!(
            full_in(&steady(0, 11, 30, 100_000, 0), 300),
            None,
            "it does not grow"
        );
        let falling: Vec<_> = (0..11)
            .map(|at| point(at * 30, 100_000 - at.unsigned_abs() * 100))
            .collect();
        assert_eq!(full_in(&falling, 300), None);
        assert_eq!(full_in(&points, 300 + 601), None, "nobody works");
        assert_eq!(
            full_in(&steady(0, 11, 30, 1_000, 1), 300),
            None,
            "not within a day"
        );
    }

    #[test]
    fn only_what_came_after_a_compaction_or_a_pause_counts() {
        let mut points = steady(0, 11, 30, 100_000, 9_000);
        points.extend(steady(330, 3, 30, 20_000, 3_000));
        assert_eq!(full_in(&points, 390), None, "too few since the compaction");
        points.extend(steady(420, 8, 30, 29_000, 3_000));
        assert_eq!(full_in(&points, 630), Some(1_500));
        let mut rested = steady(0, 11, 30, 20_000, 9_000);
        rested.extend(steady(3_600, 11, 30, 120_000, 300));
        assert_eq!(full_in(&rested, 3_900), Some(7_700));
    }

    #[test]
    fn snapshots_are_kept_seldom_and_for_a_reason() {
        let newest = point(100, 50_000);
        let is_kept = |seconds, tokens| is_news(Some(&newest), &point(seconds, tokens));
        assert!(is_news(None, &newest));
        assert!(!is_kept(105, 190_000), "at most every 10 s");
        assert!(is_kept(110, 52_000) && is_kept(110, 20_000));
        assert!(!is_kept(110, 50_500));
        assert!(is_kept(160, 50_001));
        assert!(!is_kept(9_000, 50_000), "nothing new");
        let mut other = point(110, 50_000);
        other.window = None;
        assert!(is_news(Some(&newest), &other));
    }

    proptest! {
        #[test]
        fn one_odd_point_changes_little(odd in 0..40_i64, tokens in 80_000..200_000_u64) {
            let points = steady(0, 41, 30, 100_000, 900);
            let plain = full_in(&points, 1_200).unwrap() as f64;
            let mut with_odd = points;
            // Not the last one, which says how much is left, and not so low that it is a compaction.
            with_odd[usize::try_from(odd).unwrap()].tokens = tokens.max(110_000);
            let with_odd = of_present_work(&with_odd).len() == 41;
            prop_assume!(with_odd);
            let mut again = steady(0, 41, 30, 100_000, 900);
            again[usize::try_from(odd).unwrap()].tokens = tokens.max(110_000);
            let seen = full_in(&again, 1_200).unwrap() as f64;
            prop_assert!((seen - plain).abs() <= 0.1 * plain, "{seen} instead of {plain}");
        }

        #[test]
        fn the_order_of_the_points_does_not_count(
            mut points in proptest::collection::vec((0..4_000_i64, 0..WINDOW), 0..30),
            now in 0..5_000_i64,
        ) {
            points.sort_unstable();
            points.dedup_by_key(|(at, _)| *at);
            let sorted: Vec<_> = points.iter().map(|(at, tokens)| point(*at, *tokens)).collect();
            let reversed: Vec<_> = sorted.iter().rev().copied().collect();
            prop_assert_eq!(full_in(&sorted, now), full_in(&reversed, now));
        }

        #[test]
        fn a_larger_window_is_full_later(from in 0..100_000_u64, more in 1..9_000_u64, wider in 1..100_000_u64) {
            let points = steady(0, 11, 30, from, more);
            let now = UnixMicros(300 * SECOND);
            let (near, far) = (context_full_in(&points, WINDOW, now), context_full_in(&points, WINDOW + wider, now));
            match (near, far) {
                (Some(near), Some(far)) => prop_assert!(near <= far),
                (None, far) => prop_assert!(far.is_none()),
                (Some(_), None) => {}
            }
        }

        #[test]
        fn any_points_are_judged(
            points in proptest::collection::vec((any::<i64>(), any::<u64>()), 0..80),
            window in any::<u64>(),
            now in any::<i64>(),
        ) {
            let points: Vec<_> = points.into_iter().map(|(at, tokens)| Point { at: UnixMicros(at), tokens, window: None }).collect();
            let full = context_full_in(&points, window, UnixMicros(now));
            prop_assert!(full.is_none_or(|full| full <= MAX_FORECAST));
        }
    }
}
