//! When two tasks of other words may be one: models reword their task from save to save. What is taken for the same wrongly
//! would end or replace open work, so in doubt it is another one.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use crate::verbs::{deed, is_neutral, name_of, takes_back};

/// Words that say nothing of what a task is about.
const FILLERS: [&str; 24] = [
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on",
    "or", "so", "that", "the", "then", "this", "to", "up", "with",
];
/// The shortest word that another one may be a longer form of.
const MIN_COMMON: usize = 5;
/// The most letters of a script without blanks that stand for one word.
const WORD_LETTERS: usize = 4;

/// Whether two tasks may be one in other words: half of their words are common, or all words of the shorter one occur in
/// the longer one. Numbers, as in names of issues and files, must not differ, nor may the one word that is exchanged, what
/// is done, or the ends of what is moved.
#[must_use]
pub fn is_alike(one: &str, other: &str) -> bool {
    let (one, other) = (Words::of(one), Words::of(other));
    let (set_one, set_other) = (one.set(), other.set());
    let common = set_one.intersection(&set_other).count();
    let all = set_one.union(&set_other).count();
    let shorter = set_one.len().min(set_other.len());
    let is_near = common * 2 >= all && common > 0 || shorter >= 2 && common == shorter;
    is_near
        && !has_other_numbers(&set_one, &set_other)
        && !does_other(&one, &other)
        && !exchanges_a_word(&one, &other)
        && !goes_the_other_way(&one, &other)
}

/// Whether one text has all words of the other.
#[must_use]
pub fn is_longer_or_shorter(one: &str, other: &str) -> bool {
    let (one, other) = (Words::of(one).set(), Words::of(other).set());
    one.is_subset(&other) || other.is_subset(&one)
}

/// The words of a text in their order.
struct Words {
    /// Those that carry its meaning, as stems. Of a script without blanks, each letter.
    content: Vec<String>,
    /// What follows "from" and "to".
    ends: [Option<String>; 2],
}

impl Words {
    fn of(text: &str) -> Self {
        let lower = text.nfc().collect::<String>().to_lowercase();
        let (mut content, mut ends) = (Vec::new(), [None, None]);
        let mut before = "";
        for run in lower.split(|c: char| !c.is_alphanumeric()) {
            if run.is_empty() {
                continue;
            }
            match before {
                "from" => ends[0] = Some(run.to_owned()),
                "to" | "into" => ends[1] = Some(run.to_owned()),
                _ => {}
            }
            before = run;
            // What is left of "don't" before its apostrophe.
            let run = if matches!(run, "don" | "doesn") {
                "not"
            } else {
                run
            };
            if run.chars().any(is_unspaced) {
                content.extend(run.chars().map(String::from));
            } else if !FILLERS.contains(&run) {
                content.push(stem(run).to_owned());
            }
        }
        Self { content, ends }
    }

    /// Without their order. Of a script without blanks, each pair of neighbours counts as a word.
    fn set(&self) -> BTreeSet<String> {
        let is_letter = |word: &str| word.chars().all(is_unspaced);
        let mut set = BTreeSet::new();
        for (place, word) in self.content.iter().enumerate() {
            let next = self.content.get(place + 1).filter(|next| is_letter(next));
            match next {
                Some(next) if is_letter(word) => {
                    set.insert(format!("{word}{next}"));
                }
                _ if is_letter(word) && place > 0 && is_letter(&self.content[place - 1]) => {}
                // Verbs that do the same are one word.
                _ => {
                    let name = deed(word).map(|deed| name_of(deed).to_owned());
                    set.insert(name.unwrap_or_else(|| word.clone()));
                }
            }
        }
        set
    }

    /// What is done: the first word, if it is a verb that is known and does something.
    fn leading_deed(&self) -> Option<usize> {
        let mut words = self.content.iter().map(String::as_str);
        words.find(|word| !is_neutral(word)).and_then(deed)
    }

    fn deeds(&self) -> BTreeSet<usize> {
        self.content.iter().filter_map(|word| deed(word)).collect()
    }
}

fn has_other_numbers(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let numbers = |words: &BTreeSet<String>| -> BTreeSet<String> {
        let has_digit = |word: &&String| word.chars().any(char::is_numeric);
        words.iter().filter(has_digit).cloned().collect()
    };
    let (one, other) = (numbers(one), numbers(other));
    !one.is_empty() && !other.is_empty() && one != other
}

/// Whether the texts begin with other deeds, have none in common, or only one of them takes something back.
fn does_other(one: &Words, other: &Words) -> bool {
    let leading = (one.leading_deed(), other.leading_deed());
    if let (Some(one), Some(other)) = leading
        && one != other
    {
        return true;
    }
    let (one, other) = (one.deeds(), other.deeds());
    let back = |deeds: &BTreeSet<usize>| deeds.iter().any(|deed| takes_back(*deed));
    back(&one) != back(&other) || !one.is_empty() && !other.is_empty() && one.is_disjoint(&other)
}

/// Whether the texts differ in one word that has another one in its place.
fn exchanges_a_word(one: &Words, other: &Words) -> bool {
    let (one, other) = (&one.content, &other.content);
    let before = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let room = one.len().min(other.len()) - before;
    let pairs = one.iter().rev().zip(other.iter().rev()).take(room);
    let after = pairs.take_while(|(a, b)| a == b).count();
    let (one, other) = (
        &one[before..one.len() - after],
        &other[before..other.len() - after],
    );
    match (one, other) {
        ([one], [other]) => !is_form_of(one, other),
        _ => is_short(one) && is_short(other),
    }
}

/// Whether these are the letters of about a word of a script without blanks.
fn is_short(letters: &[String]) -> bool {
    let is_letter = |word: &String| word.chars().all(is_unspaced);
    (1..=WORD_LETTERS).contains(&letters.len()) && letters.iter().all(is_letter)
}

/// Whether one word is a longer form of the other, or does the same.
fn is_form_of(one: &str, other: &str) -> bool {
    let (shorter, longer) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let is_longer = shorter.chars().count() >= MIN_COMMON && longer.starts_with(shorter);
    is_longer || deed(one).is_some_and(|done| Some(done) == deed(other))
}

/// Whether what is moved from here to there is moved from there to here.
fn goes_the_other_way(one: &Words, other: &Words) -> bool {
    let [from_one, to_one] = &one.ends;
    let [from_other, to_other] = &other.ends;
    let meets = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
    meets(from_one, to_other) || meets(to_one, from_other)
}

/// A word without the commonest English endings: "porting" and "ports" are about "port".
pub(crate) fn stem(word: &str) -> &str {
    let stem = ["ing", "ed", "es", "s", "e"].iter().find_map(|ending| {
        let stem = word.strip_suffix(ending)?;
        (stem.len() >= 3 && word.is_ascii()).then_some(stem)
    });
    stem.unwrap_or(word)
}

/// Letters of scripts that part words by no blank: kana, ideographs, Hangul, Thai.
fn is_unspaced(letter: char) -> bool {
    matches!(u32::from(letter),
        0x0E00..=0x0E7F | 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

#[cfg(test)]
#[path = "likeness_tests.rs"]
mod tests;
