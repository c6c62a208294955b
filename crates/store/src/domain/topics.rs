//! What a subscriber wants to hear: channels by name, or by a pattern with `*` for any run of characters and `?` for
//! one. It decides what matches; what is published and to whom it goes is the store's.

/// One wish of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// One channel.
    Channel(String),
    /// Every channel that matches.
    Pattern(String),
}

impl Wish {
    fn fits(&self, channel: &str) -> bool {
        match self {
            Self::Channel(name) => name == channel,
            Self::Pattern(pattern) => matches(pattern.as_bytes(), channel.as_bytes()),
        }
    }
}

/// The wishes of one subscriber.
#[derive(Debug)]
pub struct Topics(Vec<Wish>);

impl Topics {
    /// By name, then by pattern; each wish once.
    pub fn new(channels: Vec<String>, patterns: Vec<String>) -> Self {
        let channels = channels.into_iter().map(Wish::Channel);
        let mut wishes = Vec::new();
        for wish in channels.chain(patterns.into_iter().map(Wish::Pattern)) {
            if !wishes.contains(&wish) {
                wishes.push(wish);
            }
        }
        Self(wishes)
    }

    pub(crate) fn wishes(&self) -> &[Wish] {
        &self.0
    }

    /// Whether news of `channel` that came by the wish at `index` are to be told: the first wish that fits tells them,
    /// and the others keep silent, so that nothing is told twice.
    pub(crate) fn tells(&self, index: usize, channel: &str) -> bool {
        !self.0[..index].iter().any(|earlier| earlier.fits(channel))
    }

    /// Whether no two wishes can fit one channel.
    pub(crate) fn are_apart(&self) -> bool {
        let is_pattern = |wish: &Wish| matches!(wish, Wish::Pattern(_));
        self.0.len() < 2 || !self.0.iter().any(is_pattern)
    }
}

/// Matches byte by byte, as Redis does, in linear space and no worse than quadratic time: on a mismatch only the last
/// `*` takes one byte more.
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

    /// What the characters mean, without any cleverness.
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
        fn exactly_one_of_the_wishes_that_fit_tells(
            channels in prop::collection::vec("[ab]{1,3}", 0..4),
            patterns in prop::collection::vec("[ab*?]{1,4}", 0..4),
            channel in "[ab]{1,3}",
        ) {
            let topics = Topics::new(channels, patterns);
            let fitting: Vec<_> =
                (0..topics.0.len()).filter(|index| topics.0[*index].fits(&channel)).collect();
            let telling = fitting.iter().filter(|index| topics.tells(**index, &channel)).count();
            prop_assert_eq!(telling, usize::from(!fitting.is_empty()));
        }
    }
}
