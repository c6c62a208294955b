//! The topics of a subscriber: channels by name, or by a pattern with `*` for any run of characters and `?` for one.
//!
//! It decides which filter matches a channel; publishing and delivering is the bus's.

/// One filter of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelFilter {
    /// One channel.
    Channel(String),
    /// Every channel that matches.
    Pattern(String),
}

impl ChannelFilter {
    fn matches_channel(&self, channel: &str) -> bool {
        match self {
            Self::Channel(name) => name == channel,
            Self::Pattern(pattern) => matches(pattern.as_bytes(), channel.as_bytes()),
        }
    }
}

/// The filters of one subscriber.
#[derive(Debug)]
pub struct Topics(Vec<ChannelFilter>);

impl Topics {
    /// Filters by name, then by pattern; each filter once.
    pub fn new(channels: Vec<String>, patterns: Vec<String>) -> Self {
        let channels = channels.into_iter().map(ChannelFilter::Channel);
        let mut filters = Vec::new();
        for filter in channels.chain(patterns.into_iter().map(ChannelFilter::Pattern)) {
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        }
        Self(filters)
    }

    pub(crate) fn filters(&self) -> &[ChannelFilter] {
        &self.0
    }

    /// Whether the filter at `index` is the first that matches `channel`: only the first one delivers, so no publication is
    /// delivered twice.
    pub(crate) fn is_first_match(&self, index: usize, channel: &str) -> bool {
        !self.0[..index]
            .iter()
            .any(|earlier| earlier.matches_channel(channel))
    }

    /// Whether no two filters can match one channel.
    pub(crate) fn are_disjoint(&self) -> bool {
        let is_pattern = |filter: &ChannelFilter| matches!(filter, ChannelFilter::Pattern(_));
        self.0.len() < 2 || !self.0.iter().any(is_pattern)
    }
}

/// Matches byte by byte, as Redis does, in constant space and at most quadratic time: after a mismatch only the last `*`
/// takes one more byte.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(one) if *one == b'?' || *one == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after_star, taken)) = retry else {
                    return false;
                };
                retry = Some((after_star, taken + 1));
                (p, t) = (after_star, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The meaning of the characters, in its simplest form.
    fn means(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', rest @ ..], text) => (0..=text.len()).any(|end| means(rest, &text[end..])),
            ([one, rest @ ..], [first, text @ ..]) => {
                (*one == b'?' || one == first) && means(rest, text)
            }
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_characters_mean(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                means(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn exactly_one_of_the_filters_that_match_is_the_first(
            channels in prop::collection::vec("[ab]{1,3}", 0..4),
            patterns in prop::collection::vec("[ab*?]{1,4}", 0..4),
            channel in "[ab]{1,3}",
        ) {
            let topics = Topics::new(channels, patterns);
            let fitting_filters: Vec<_> =
                (0..topics.0.len()).filter(|index| topics.0[*index].matches_channel(&channel)).collect();
            let matching = fitting_filters.iter().filter(|index| topics.is_first_match(**index, &channel)).count();
            prop_assert_eq!(matching, usize::from(!fitting_filters.is_empty()));
        }
    }
}
