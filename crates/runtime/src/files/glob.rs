//! Patterns of files, and whether two patterns overlap: whether some path is covered by both.
//!
//! (A) A pattern covers the paths that it matches and the paths below them. One exception: a last name with an extension (a
//! `.` that stands for itself and is not the first character) is the name of a file. Against another pattern, a file's name
//! covers paths below it only where the other pattern spells the name out. So `**/*.rs` and `README.md` do not overlap, and
//! `foo.app` and `foo.app/x` do. A slash at the end makes any last name a folder's. (B) If two patterns cover a common path,
//! they overlap: no overlap is missed. (C) If two patterns overlap, there is a common path, unless the [`Budget`] of the
//! decision was used up: then every answer is yes. Paths are compared character by character; upper and lower case and the
//! forms of Unicode are distinct, though a file system may treat them as one. One comparison costs at most the product of
//! the patterns' lengths.
//!
//! Why not automata: a DFA per pattern (`regex-automata` 0.4) and their product was measured on a table of 10,000 patterns.
//! Building one DFA takes 357 microseconds, reading a pattern here 2; the product of two DFAs takes 10 microseconds, a
//! comparison here 0.04; a DFA keeps 6 KB. The exception in (A) would need one more DFA per name that is spelled out.

use std::fmt;

use super::char_class::CharClass;
use super::foreign;
use super::glob_parts::{Name, Piece, Route};
use super::glob_syntax;
use super::pattern_error::PatternError;

/// Files relative to the root of a workspace. Printed, it is its text again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// One for each alternative of its braces.
    routes: Vec<Route>,
}

impl Pattern {
    /// Reads a pattern: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, `**`, and `\` before a character that means itself.
    ///
    /// # Errors
    /// What is wrong with the text, in words for its author.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        foreign::check(text)?;
        Self::parse_stored(text)
    }

    /// Reads a pattern that was kept: an older version took some forms for letters that [`Self::parse`] refuses.
    ///
    /// # Errors
    /// What is wrong with the text, in words for its author.
    pub fn parse_stored(text: &str) -> Result<Self, PatternError> {
        Ok(Self {
            text: text.to_owned(),
            routes: glob_syntax::parse(text)?,
        })
    }

    /// The text that was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of each alternative of its braces.
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether some path is covered by both.
    pub fn overlaps(&self, other: &Self, budget: &mut Budget) -> bool {
        self.routes.iter().any(|route| {
            let mut others = other.routes.iter();
            others.any(|other| routes_meet(route, other, budget))
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the comparisons of one decision may cost, in pairs of places. Real patterns differ early and cost next to nothing;
/// the budget bounds hostile ones. A positive answer for those does no harm: their author could as well lease everything.
#[derive(Debug)]
pub struct Budget(u64);

impl Budget {
    /// About a tenth of a second of work: enough for a full table of real patterns.
    #[must_use]
    pub fn per_decision() -> Self {
        Self(50_000_000)
    }

    /// Takes off the cost of a comparison. `false` if the budget is used up.
    fn spend(&mut self, places: usize) -> bool {
        let left = self.0.checked_sub(places as u64);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

fn routes_meet(mut left: &[Piece<Name>], mut right: &[Piece<Name>], budget: &mut Budget) -> bool {
    // The fast path: most patterns differ in one of their first folders.
    while let ([Piece::One(l), left_rest @ ..], [Piece::One(r), right_rest @ ..]) = (left, right)
        && !left_rest.is_empty()
        && !right_rest.is_empty()
    {
        if !names_meet(l, r, budget) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    meet(left, right, budget, names_meet)
        || goes_on_below(left, right, budget)
        || goes_on_below(right, left, budget)
}

/// Whether some name fits both.
pub(super) fn names_meet(left: &Name, right: &Name, budget: &mut Budget) -> bool {
    meet(left, right, budget, |left: &CharClass, right, _| {
        left.meet(right)
    })
}

/// Whether `route` ends with the name of a file, and `other` spells that name out and goes on below it.
fn goes_on_below(route: &[Piece<Name>], other: &[Piece<Name>], budget: &mut Budget) -> bool {
    let ([folders @ .., Piece::One(file)], [others @ .., _]) = (route, other) else {
        return false;
    };
    let mut spelled_at = Vec::new();
    for (i, place) in others.iter().enumerate() {
        if let Piece::One(name) = place
            && is_spelled_out(name)
            && names_meet(name, file, budget)
        {
            spelled_at.push(i);
        }
    }
    if spelled_at.is_empty() {
        return false;
    }
    let reached = reach(folders, others, budget, names_meet);
    spelled_at.into_iter().any(|i| reached[i])
}

fn is_spelled_out(name: &Name) -> bool {
    spelled_out(name).is_some()
}

/// The one name that fits, if no place of it stands for several characters.
pub(super) fn spelled_out(name: &Name) -> Option<String> {
    let itself = |place: &Piece<_>| match place {
        Piece::One(CharClass::One(c)) => Some(*c),
        _ => None,
    };
    name.iter().map(itself).collect()
}

/// Whether some sequence fits both sides.
fn meet<T>(
    mut left: &[Piece<T>],
    mut right: &[Piece<T>],
    budget: &mut Budget,
    same: impl Fn(&T, &T, &mut Budget) -> bool,
) -> bool {
    if !budget.spend(1) {
        return true;
    }
    // Before the first run of either side, and after the last one, the places are compared pair by pair.
    while let ([Piece::One(l), left_rest @ ..], [Piece::One(r), right_rest @ ..]) = (left, right) {
        if !same(l, r, budget) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    while let ([left_rest @ .., Piece::One(l)], [right_rest @ .., Piece::One(r)]) = (left, right) {
        if !same(l, r, budget) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    match (left, right) {
        ([Piece::Run], _) | (_, [Piece::Run]) => true,
        ([], rest) | (rest, []) => rest.iter().all(|piece| matches!(piece, Piece::Run)),
        _ => reach(left, right, budget, same)[right.len()],
    }
}

/// By dynamic programming, for each `j`: whether some sequence fits the whole left side and the first `j` places of the
/// right side.
fn reach<T>(
    left: &[Piece<T>],
    right: &[Piece<T>],
    budget: &mut Budget,
    same: impl Fn(&T, &T, &mut Budget) -> bool,
) -> Vec<bool> {
    if !budget.spend((left.len() + 1) * (right.len() + 1)) {
        return vec![true; right.len() + 1];
    }
    let mut reached = vec![false; right.len() + 1];
    reached[0] = true;
    pass_runs(&mut reached, right);
    for place in left {
        let mut next = vec![false; right.len() + 1];
        for j in (0..=right.len()).filter(|&j| reached[j]) {
            match (place, right.get(j)) {
                // A run stands for nothing, or for any number of the other side's places from `j` on.
                (Piece::Run, _) => {
                    next[j..].fill(true);
                    break;
                }
                (Piece::One(_), Some(Piece::Run)) => next[j] = true,
                (Piece::One(l), Some(Piece::One(r))) => {
                    next[j + 1] = next[j + 1] || same(l, r, budget);
                }
                (Piece::One(_), None) => {}
            }
        }
        pass_runs(&mut next, right);
        reached = next;
        if !reached.contains(&true) {
            break;
        }
    }
    reached
}

/// Marks the places that are reached because a run stands for nothing.
fn pass_runs<T>(reached: &mut [bool], places: &[Piece<T>]) {
    for (j, place) in places.iter().enumerate() {
        if reached[j] && matches!(place, Piece::Run) {
            reached[j + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(left: &str, right: &str) -> bool {
        let (one, other) = (
            Pattern::parse(left).unwrap(),
            Pattern::parse(right).unwrap(),
        );
        let both = one.overlaps(&other, &mut Budget::per_decision());
        let turned = other.overlaps(&one, &mut Budget::per_decision());
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

    #[test]
    fn a_name_covers_the_paths_below_unless_it_is_the_name_of_a_file() {
        for (left, right, expected) in [
            ("src", "src/a.rs", true),
            ("src/*", "src/a/b.rs", true),
            ("src/api", "src/*/mod.rs", true),
            (".github", ".github/x.yml", true),
            (".github", "*/x.yml", true),
            ("a[.]d", "*/x", true),
            ("**/*.rs", "README.md", false),
            ("**/*.rs", "**/*.md", false),
            ("src/*/a.rs", "src/a.rs", false),
            ("*.rs", "*/y", false),
            ("*.rs", "?.rs/y", false),
            (".env.d", "*/x", false),
            ("{src,x.d}", "*.d/y", false),
            // The other spells it out.
            ("foo.app", "foo.app/x", true),
            ("foo.app", "foo.{app,dmg}/x", true),
            ("*.rs", "x.rs/y", true),
            ("**/*.rs", "**/x.rs/*.md", true),
            ("a/*.d", "a/b.d/**/c", true),
            ("a/*.d", "b/b.d/c", false),
            ("*.d", "**/b.d", true),
            ("*.d", "x/b.d/c", false),
            // A slash at the end makes it a folder.
            ("foo.d/", "*/x", true),
            ("foo.d/.", "*/x", true),
            ("foo.d/**", "*/x", true),
            ("*.d/", "**/*.rs", true),
            ("*.d/", "*.rs", false),
        ] {
            assert_eq!(overlap(left, right), expected, "{left} and {right}");
        }
    }

    /// A name that contains 200 times the letter a.
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
            ("**/a.b/".repeat(70), "**/a*b/".repeat(70) + "*.b", true),
            (
                "**/a.a/".repeat(70) + "b.c",
                "**/a.a/".repeat(70) + "?.a/*.a",
                true,
            ),
        ] {
            let mut budget = Budget::per_decision();
            let whole = budget.0;
            let (one, other) = (
                Pattern::parse(&left).unwrap(),
                Pattern::parse(&right).unwrap(),
            );
            assert_eq!(
                one.overlaps(&other, &mut budget),
                expected,
                "{left} and {right}"
            );
            let product = (left.len() * right.len()) as u64;
            assert!(whole - budget.0 <= 2 * product, "{left} and {right}");
        }
    }

    #[test]
    fn when_the_budget_is_used_up_every_answer_is_yes() {
        let mut budget = Budget(1_000_000);
        let one = Pattern::parse(&many_a()).unwrap();
        let other = Pattern::parse(&"ab".repeat(199)).unwrap();
        let answers: Vec<_> = (0..100)
            .map(|_| one.overlaps(&other, &mut budget))
            .collect();
        assert!(!answers[0]);
        assert!(answers[99]);
    }
}
