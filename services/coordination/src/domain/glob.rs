//! Patterns of files, and whether two of them have a file in common.
//!
//! (A) A pattern covers every path that it matches and everything below. (B) If some path is covered by both of two
//! patterns, they overlap: never is that missed. (C) If they overlap, there is such a path, unless the [`Effort`] of the
//! decision was used up, and then every answer is yes. Paths are compared letter by letter: case and Unicode forms that
//! a file system may fold are told apart. The cost of one comparison is the product of the patterns' lengths.

use super::glob_syntax::{self, Malformed};
use super::letters::Letters;

/// One place of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<T> {
    /// Exactly one of these.
    One(T),
    /// Any run of anything, perhaps of nothing: `*` within a name, `**` between names.
    Run,
}

/// The name of a file or folder; it is not empty.
pub(super) type Name = Vec<Piece<Letters>>;

/// The names from the root to a file; it ends with a run, since a pattern covers what is below.
pub(super) type Route = Vec<Piece<Name>>;

/// Files relative to the root of a workspace.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    /// One for each alternative of its braces.
    routes: Vec<Route>,
}

impl Pattern {
    /// Reads a pattern: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, `**` and `\` before what shall mean itself.
    ///
    /// # Errors
    /// In words for whoever wrote it.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        Ok(Self {
            text: text.to_owned(),
            routes: glob_syntax::parse(text)?,
        })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether some path is covered by both.
    pub(crate) fn overlaps(&self, other: &Self, effort: &mut Effort) -> bool {
        self.routes.iter().any(|route| {
            let mut others = other.routes.iter();
            others.any(|other| routes_meet(route, other, effort))
        })
    }
}

/// How much comparing a decision may cost, in pairs of places looked at. Real patterns differ early and cost next to
/// nothing; it bounds what made-up ones can. Whoever writes those could as well lease everything.
#[derive(Debug)]
pub(crate) struct Effort(u64);

impl Effort {
    /// A tenth of a second of work, enough for a full table of real patterns.
    pub(crate) fn of_a_decision() -> Self {
        Self(50_000_000)
    }

    /// Whether there was enough left.
    fn spend(&mut self, places: usize) -> bool {
        let left = self.0.checked_sub(places as u64);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

fn routes_meet(left: &Route, right: &Route, effort: &mut Effort) -> bool {
    meet(left, right, effort, |left: &Name, right: &Name, effort| {
        meet(left, right, effort, |left: &Letters, right, _| {
            left.meet(right)
        })
    })
}

/// Whether some sequence fits both.
fn meet<T>(
    mut left: &[Piece<T>],
    mut right: &[Piece<T>],
    effort: &mut Effort,
    same: impl Fn(&T, &T, &mut Effort) -> bool,
) -> bool {
    if !effort.spend(1) {
        return true;
    }
    // Up to the first run on either side, places stand against each other; and so from the last run on.
    while let ([Piece::One(l), left_rest @ ..], [Piece::One(r), right_rest @ ..]) = (left, right) {
        if !same(l, r, effort) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    while let ([left_rest @ .., Piece::One(l)], [right_rest @ .., Piece::One(r)]) = (left, right) {
        if !same(l, r, effort) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    match (left, right) {
        ([Piece::Run], _) | (_, [Piece::Run]) => true,
        ([], rest) | (rest, []) => rest.iter().all(|piece| matches!(piece, Piece::Run)),
        _ => walk(left, right, effort, same),
    }
}

/// The same by dynamic programming: which pairs of positions can be reached by reading one sequence with both sides.
fn walk<T>(
    left: &[Piece<T>],
    right: &[Piece<T>],
    effort: &mut Effort,
    same: impl Fn(&T, &T, &mut Effort) -> bool,
) -> bool {
    if !effort.spend(left.len() * right.len()) {
        return true;
    }
    // `reached[j]`: the left side's first places and the right side's first `j` can have been read.
    let mut reached = vec![false; right.len() + 1];
    reached[0] = true;
    for place in left {
        let mut next = vec![false; right.len() + 1];
        for j in 0..=right.len() {
            if !reached[j] {
                continue;
            }
            match (place, right.get(j)) {
                // A run takes the other's place, or nothing more.
                (Piece::Run, against) => {
                    next[j] = true;
                    if against.is_some() {
                        reached[j + 1] = true;
                    }
                }
                (Piece::One(_), Some(Piece::Run)) => {
                    next[j] = true;
                    reached[j + 1] = true;
                }
                (Piece::One(l), Some(Piece::One(r))) => {
                    next[j + 1] = next[j + 1] || same(l, r, effort);
                }
                (Piece::One(_), None) => {}
            }
        }
        if !next.contains(&true) {
            return false;
        }
        reached = next;
    }
    // The left side is read; of the right, only runs may be left.
    let runs_left = right
        .iter()
        .rev()
        .take_while(|piece| matches!(piece, Piece::Run));
    reached[right.len() - runs_left.count()..].contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(left: &str, right: &str) -> bool {
        let (one, other) = (
            Pattern::parse(left).unwrap(),
            Pattern::parse(right).unwrap(),
        );
        let both = one.overlaps(&other, &mut Effort::of_a_decision());
        let turned = other.overlaps(&one, &mut Effort::of_a_decision());
        assert_eq!(both, turned, "{left} and {right}");
        both
    }

    #[test]
    fn patterns_that_share_a_file_overlap() {
        for (left, right) in [
            ("src/**", "src/a.rs"),
            ("src", "src/a.rs"),
            ("src/", "./src//deep/a.rs"),
            ("**/*.rs", "src/deep/a.rs"),
            ("**/test/**", "src/**"),
            ("src/*.rs", "src/[a-m]*"),
            ("a*c", "ab*"),
            ("{src,lib}/*.rs", "{lib,bin}/main.*"),
            ("a/**/z", "a/z"),
            ("a/**/z", "**/y/**"),
            (".", "any/thing"),
            ("*", "src/a.rs"),
            ("[!a]x", "bx"),
            (r"app/\[id\]/page", "app/*/page"),
            ("*.lock", "Cargo.lock"),
            ("größe/?.txt", "größe/ü.txt"),
            // Nobody told that a.rs is no folder.
            ("src/*/a.rs", "src/a.rs"),
            ("**/*.rs", "README.md"),
        ] {
            assert!(overlap(left, right), "{left} and {right}");
        }
    }

    #[test]
    fn patterns_without_a_common_file_do_not() {
        for (left, right) in [
            ("src/**", "lib/a.rs"),
            ("src/a.rs", "src/ab.rs"),
            ("src/*.rs", "src/*.toml"),
            ("src/[a-m]*", "src/[n-z]*"),
            ("src/[!a]*", "src/a*"),
            ("a?", "a"),
            ("?", "ab"),
            ("{src,lib}/*.rs", "{bin,tests}/main.rs"),
            ("a*b", "a*c"),
            ("x/**/a.rs", "y/**/a.rs"),
            (r"app/\[id\]/page", "app/i/page"),
            ("SRC/a.rs", "src/a.rs"),
        ] {
            assert!(!overlap(left, right), "{left} and {right}");
        }
    }

    /// A name with 200 times an a, wherever.
    fn many_a() -> String {
        format!("{}*", "*a".repeat(200))
    }

    #[test]
    fn hostile_patterns_cost_no_more_than_the_product_of_their_lengths() {
        for (left, right, expected) in [
            (many_a(), "ab".repeat(199), false),
            (many_a(), "ab".repeat(200), true),
            ("**/*a*/".repeat(70), "**/*b*a*/".repeat(55), true),
            ("**/a*a*a*b/".repeat(45), "**/*a*a*a/".repeat(50), true),
        ] {
            let mut effort = Effort::of_a_decision();
            let whole = effort.0;
            let (one, other) = (
                Pattern::parse(&left).unwrap(),
                Pattern::parse(&right).unwrap(),
            );
            assert_eq!(
                one.overlaps(&other, &mut effort),
                expected,
                "{left} and {right}"
            );
            let product = (left.len() * right.len()) as u64;
            assert!(whole - effort.0 <= 2 * product, "{left} and {right}");
        }
    }

    #[test]
    fn when_the_effort_is_used_up_every_answer_is_yes() {
        let mut effort = Effort(1_000_000);
        let one = Pattern::parse(&many_a()).unwrap();
        let other = Pattern::parse(&"ab".repeat(199)).unwrap();
        let answers: Vec<_> = (0..100)
            .map(|_| one.overlaps(&other, &mut effort))
            .collect();
        assert!(!answers[0]);
        assert!(answers[99]);
    }
}
