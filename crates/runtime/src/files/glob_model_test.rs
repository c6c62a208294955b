//! A model of patterns that tries paths one by one: two patterns must overlap if and only if some path is covered by both.

use proptest::prelude::*;

use super::glob::{Budget, Pattern};

/// Whether they overlap as patterns, and whether they do with their letters too.
fn overlap(left: &str, right: &str) -> (bool, bool) {
    let (one, other) = (
        Pattern::parse(left).unwrap(),
        Pattern::parse(right).unwrap(),
    );
    let whole = one.overlaps(&other, &mut Budget::per_decision());
    let (one, other) = (one.into_pattern_alone(), other.into_pattern_alone());
    let alone = one.overlaps(&other, &mut Budget::per_decision());
    (alone, whole)
}

/// One place of a generated pattern, which the model matches by trying everything.
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

/// A generated name; `None` is `**`.
type MadeName = Option<Vec<Made>>;

/// A generated pattern, which may end with a slash.
#[derive(Debug, Clone)]
struct MadeRoute {
    names: Vec<MadeName>,
    slash: bool,
}

impl MadeRoute {
    fn text(&self) -> String {
        let name = |name: &MadeName| match name {
            Some(places) => places.iter().map(Made::text).collect(),
            None => "**".to_owned(),
        };
        let names: Vec<String> = self.names.iter().map(name).collect();
        names.join("/") + if self.slash { "/" } else { "" }
    }

    /// Whether the paths below are covered, whatever the other pattern is.
    fn is_folder(&self) -> bool {
        let is_dot = |place: &Made| matches!(place, Made::Letter('.'));
        match self.names.last() {
            Some(Some(places)) => self.slash || !places.iter().skip(1).any(is_dot),
            _ => true,
        }
    }
}

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

/// Whether the names fit the whole path. With `spelled_at`, the name at that place of the path must also be spelled out.
fn fits(made: &[MadeName], path: &[Vec<char>], spelled_at: Option<usize>) -> bool {
    match (made, path) {
        ([], path) => path.is_empty(),
        ([None, rest @ ..], path) => {
            let most = spelled_at.unwrap_or(path.len());
            (0..=most).any(|taken| {
                let spelled_at = spelled_at.map(|at| at - taken);
                fits(rest, &path[taken..], spelled_at)
            })
        }
        ([Some(name), rest @ ..], [first, others @ ..]) => {
            let is_itself = |place: &Made| matches!(place, Made::Letter(_));
            let spelled = spelled_at != Some(0) || name.iter().all(is_itself);
            let spelled_at = spelled_at.and_then(|at| at.checked_sub(1));
            spelled && name_fits(name, first) && fits(rest, others, spelled_at)
        }
        (_, []) => false,
    }
}

fn both_cover(left: &MadeRoute, right: &MadeRoute, path: &[Vec<char>]) -> bool {
    let fit = |made: &MadeRoute| fits(&made.names, path, None);
    match (fit(left), fit(right)) {
        (true, true) => true,
        (true, false) => covers_below(right, left, path),
        (false, true) => covers_below(left, right, path),
        (false, false) => false,
    }
}

/// Whether `above` covers the path that `other` fits, because `above` fits a folder on the way to it.
fn covers_below(above: &MadeRoute, other: &MadeRoute, path: &[Vec<char>]) -> bool {
    (0..path.len()).any(|end| {
        let is_on_the_way = fits(&above.names, &path[..end], None);
        is_on_the_way && (above.is_folder() || fits(&other.names, path, Some(end - 1)))
    })
}

fn name(longest: usize) -> impl Strategy<Value = Vec<Made>> {
    let letter = || proptest::sample::select(vec!['a', 'b', '.']);
    let place = prop_oneof![
        4 => letter().prop_map(Made::Letter),
        1 => Just(Made::Question),
        3 => Just(Made::Star),
        2 => (proptest::collection::vec(letter(), 1..3), any::<bool>())
            .prop_map(|(list, negated)| Made::Class(list, negated)),
    ];
    let names = proptest::collection::vec(place, 1..=longest);
    names.prop_filter("`**`, `.` and `..` are no names", |places| {
        let stars = |pair: &[Made]| matches!(pair, [Made::Star, Made::Star]);
        let is_dot = |place: &Made| matches!(place, Made::Letter('.'));
        !places.windows(2).any(stars) && !places.iter().all(is_dot)
    })
}

fn route(
    name: impl Strategy<Value = Vec<Made>>,
    longest: usize,
) -> impl Strategy<Value = MadeRoute> {
    let names = proptest::collection::vec(proptest::option::weighted(0.75, name), 1..=longest);
    let slash = proptest::bool::weighted(0.2);
    (names, slash).prop_map(|(names, slash)| MadeRoute { names, slash })
}

/// All sequences of the items up to a length, without the empty one.
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
    let witness = paths.iter().find(|path| both_cover(left, right, path));
    let (left, right) = (left.text(), right.text());
    let (overlaps, with_letters) = overlap(&left, &right);
    prop_assert!(with_letters || !overlaps, "{} and {}", left, right);
    prop_assert_eq!(
        overlaps,
        witness.is_some(),
        "{} and {}: {:?}",
        left,
        right,
        witness
    );
    Ok(())
}

/// Names of which any two with a common match have one in [`SOME_NAMES`].
fn known_name() -> impl Strategy<Value = Vec<Made>> {
    let place = |c| match c {
        '*' => Made::Star,
        '?' => Made::Question,
        c => Made::Letter(c),
    };
    let names = vec!["a", "*", "?", ".a", "*a", "a.b", "*.b", "a.*", "?.b"];
    proptest::sample::select(names).prop_map(move |name| name.chars().map(place).collect())
}

const SOME_NAMES: [&str; 4] = ["a", ".a", "a.a", "a.b"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// If two names of up to four places share a match, they share one of at most six letters.
    #[test]
    fn names_overlap_if_and_only_if_some_name_fits_both(left in name(4), right in name(4)) {
        let paths: Vec<_> = sequences(&['a', 'b', '.', 'c'], 6).into_iter().map(|name| vec![name]).collect();
        let alone = |name| MadeRoute { names: vec![Some(name)], slash: false };
        agree(&alone(left), &alone(right), &paths)?;
    }

    /// If two routes of up to three names share a path, they share one of at most five names.
    #[test]
    fn routes_overlap_if_and_only_if_some_path_is_covered_by_both(
        left in route(known_name(), 3),
        right in route(known_name(), 3),
    ) {
        let names = SOME_NAMES.map(|name| name.chars().collect());
        agree(&left, &right, &sequences(&names, 5))?;
    }

    /// Both levels together.
    #[test]
    fn paths_of_longer_names_agree_too(left in route(name(2), 2), right in route(name(2), 2)) {
        let names = sequences(&['a', 'b', '.', 'c'], 2);
        agree(&left, &right, &sequences(&names, 3))?;
    }
}
