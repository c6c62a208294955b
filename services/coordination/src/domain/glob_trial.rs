//! A second opinion on patterns: paths are tried one by one, and whether two patterns overlap must be whether some path
//! is covered by both.

use proptest::prelude::*;

use super::glob::{Effort, Pattern};

fn overlap(left: &str, right: &str) -> bool {
    let (one, other) = (
        Pattern::parse(left).unwrap(),
        Pattern::parse(right).unwrap(),
    );
    one.overlaps(&other, &mut Effort::of_a_decision())
}

/// A pattern as the tests make it up, matched by trying everything: a second opinion on syntax and meaning.
#[derive(Debug, Clone)]
enum Made {
    Letter(char),
    Question,
    Star,
    Class(Vec<char>, bool),
}

impl Made {
    fn text(&self) -> String {
        match self {
            Self::Letter(c) => c.to_string(),
            Self::Question => "?".to_owned(),
            Self::Star => "*".to_owned(),
            Self::Class(list, negated) => {
                let list: String = list.iter().collect();
                format!("[{}{list}]", if *negated { "!" } else { "" })
            }
        }
    }

    fn fits(&self, c: char) -> bool {
        match self {
            Self::Letter(own) => *own == c,
            Self::Class(list, negated) => list.contains(&c) != *negated,
            Self::Question | Self::Star => true,
        }
    }
}

/// `None` is `**`.
type MadeRoute = Vec<Option<Vec<Made>>>;

fn name_fits(made: &[Made], name: &[char]) -> bool {
    match (made, name) {
        ([], name) => name.is_empty(),
        ([Made::Star, rest @ ..], name) => {
            (0..=name.len()).any(|taken| name_fits(rest, &name[taken..]))
        }
        ([place, rest @ ..], [c, others @ ..]) => place.fits(*c) && name_fits(rest, others),
        (_, []) => false,
    }
}

fn covers(made: &[Option<Vec<Made>>], path: &[Vec<char>]) -> bool {
    match (made, path) {
        // What is left of the path is below what matched.
        ([], _) => true,
        ([None, rest @ ..], path) => (0..=path.len()).any(|taken| covers(rest, &path[taken..])),
        ([Some(name), rest @ ..], [first, others @ ..]) => {
            name_fits(name, first) && covers(rest, others)
        }
        (_, []) => false,
    }
}

fn text(route: &MadeRoute) -> String {
    let name = |name: &Option<Vec<Made>>| match name {
        Some(places) => places.iter().map(Made::text).collect(),
        None => "**".to_owned(),
    };
    route.iter().map(name).collect::<Vec<_>>().join("/")
}

fn name(longest: usize) -> impl Strategy<Value = Vec<Made>> {
    let letter = || proptest::sample::select(vec!['a', 'b']);
    let place = prop_oneof![
        4 => letter().prop_map(Made::Letter),
        1 => Just(Made::Question),
        3 => Just(Made::Star),
        2 => (proptest::collection::vec(letter(), 1..3), any::<bool>())
            .prop_map(|(list, negated)| Made::Class(list, negated)),
    ];
    proptest::collection::vec(place, 1..=longest).prop_filter("`**` is no name", |places| {
        let stars = |pair: &[Made]| matches!(pair, [Made::Star, Made::Star]);
        !places.windows(2).any(stars)
    })
}

/// All sequences of the items, up to a length, the empty one left out.
fn sequences<T: Clone>(items: &[T], longest: usize) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = Vec::new();
    let mut last = vec![Vec::new()];
    for _ in 0..longest {
        let longer = |start: &Vec<T>| {
            let start = start.clone();
            items
                .iter()
                .map(move |item| [start.as_slice(), std::slice::from_ref(item)].concat())
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn agree(
    left: &MadeRoute,
    right: &MadeRoute,
    paths: &[Vec<Vec<char>>],
) -> Result<(), TestCaseError> {
    let witness = paths
        .iter()
        .find(|path| covers(left, path) && covers(right, path));
    let told = overlap(&text(left), &text(right));
    prop_assert_eq!(
        told,
        witness.is_some(),
        "{} and {}: {:?}",
        text(left),
        text(right),
        witness
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Two names of up to four places share a name of at most six letters, if any.
    #[test]
    fn names_overlap_if_and_only_if_some_name_fits_both(left in name(4), right in name(4)) {
        let paths: Vec<_> = sequences(&['a', 'b', 'c'], 6).into_iter().map(|name| vec![name]).collect();
        agree(&vec![Some(left)], &vec![Some(right)], &paths)?;
    }

    /// Two routes of up to three names share a path of at most six, if any; two places need two letters.
    #[test]
    fn routes_overlap_if_and_only_if_some_path_is_covered_by_both(
        left in proptest::collection::vec(proptest::option::weighted(0.7, name(1)), 1..4),
        right in proptest::collection::vec(proptest::option::weighted(0.7, name(1)), 1..4),
    ) {
        let names = sequences(&['a', 'b', 'c'], 1);
        agree(&left, &right, &sequences(&names, 6))?;
    }

    /// Both levels at once.
    #[test]
    fn paths_of_longer_names_agree_too(
        left in proptest::collection::vec(proptest::option::weighted(0.8, name(2)), 1..3),
        right in proptest::collection::vec(proptest::option::weighted(0.8, name(2)), 1..3),
    ) {
        let names = sequences(&['a', 'b', 'c'], 2);
        agree(&left, &right, &sequences(&names, 3))?;
    }
}
