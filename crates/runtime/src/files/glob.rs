//! Patterns of files, and whether two patterns overlap: whether some path is covered by both.
//!
//! (A) A pattern covers the paths that it matches and the paths below them. One exception: a last name with an extension (a
//! `.` that stands for itself and is not the first character) is the name of a file. Against another pattern, a file's name
//! covers paths below it only where the other pattern spells the name out. So `**/*.rs` and `README.md` do not overlap, and
//! `foo.app` and `foo.app/x` do. A slash at the end makes any last name a folder's. (B) If two patterns cover a common path,
//! they overlap: no overlap is missed. (C) If two patterns overlap, there is a common path, unless the [`Budget`] of the
//! decision was used up: then every answer is yes. Paths are compared character by character; upper and lower case and the
//! forms of Unicode are distinct, though a file system may treat them as one. One comparison costs at most the product of
//! the patterns' lengths. (D) A text that could also be the name of a file (`[id]`, `{a,b}`) covers that name too, whether or
//! not the file is there: it may be made later, or be there on another machine only.
//!
//! Why not automata: a DFA per pattern (`regex-automata` 0.4) and their product was measured on a table of 10,000 patterns.
//! Building one DFA takes 357 microseconds, reading a pattern here 2; the product of two DFAs takes 10 microseconds, a
//! comparison here 0.04; a DFA keeps 6 KB. The exception in (A) would need one more DFA per name that is spelled out.

use std::fmt;

use super::char_class::CharClass;
use super::foreign;
use super::glob_parts::{Name, Piece, Readings, Route};
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

    /// Without the readings as letters.
    #[cfg(test)]
    pub(super) fn into_pattern_alone(mut self) -> Self {
        for piece in self.routes.iter_mut().flatten() {
            if let Piece::One(readings) = piece {
                readings.truncate(1);
            }
        }
        self
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

fn routes_meet(
    mut left: &[Piece<Readings>],
    mut right: &[Piece<Readings>],
    budget: &mut Budget,
) -> bool {
    // The fast path: most patterns differ in one of their first folders.
    while let ([Piece::One(l), left_rest @ ..], [Piece::One(r), right_rest @ ..]) = (left, right)
        && !left_rest.is_empty()
        && !right_rest.is_empty()
    {
        if !readings_meet(l, r, budget) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    meet(left, right, budget, readings_meet)
        || goes_on_below(left, right, budget)
        || goes_on_below(right, left, budget)
}

/// Whether some name fits both, in any of the ways that they can be meant.
fn readings_meet(left: &Readings, right: &Readings, budget: &mut Budget) -> bool {
    left.iter()
        .any(|left| right.iter().any(|right| names_meet(left, right, budget)))
}

/// Whether some name fits both.
pub(super) fn names_meet(left: &Name, right: &Name, budget: &mut Budget) -> bool {
    meet(left, right, budget, |left: &CharClass, right, _| {
        left.meet(right)
    })
}

/// Whether `route` ends with the name of a file, and `other` spells that name out and goes on below it.
fn goes_on_below(
    route: &[Piece<Readings>],
    other: &[Piece<Readings>],
    budget: &mut Budget,
) -> bool {
    let ([folders @ .., Piece::One(file)], [others @ .., _]) = (route, other) else {
        return false;
    };
    let mut spelled_at = Vec::new();
    for (i, place) in others.iter().enumerate() {
        let mut meets = |name: &Name| {
            is_spelled_out(name) && file.iter().any(|file| names_meet(name, file, budget))
        };
        if let Piece::One(readings) = place
            && readings.iter().any(&mut meets)
        {
            spelled_at.push(i);
        }
    }
    if spelled_at.is_empty() {
        return false;
    }
    let reached = reach(folders, others, budget, readings_meet);
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
#[path = "glob_test.rs"]
mod tests;
