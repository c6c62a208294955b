//! When two tasks of other words may be one: models reword their task from save to save. What is taken for the same wrongly
//! would end or replace open work, so in doubt it is another one.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use crate::verbs::{deed, is_neutral, name_of, takes_back};

/// Words that say nothing of what a task is about.
const FILLERS: [&str; 25] = [
    "a", "an", "and", "as", "at", "by", "for", "from", "i", "in", "into", "is", "it", "its", "of",
    "on", "or", "so", "that", "the", "then", "this", "to", "up", "with",
];
/// Words that begin a further task, not a remark on the one before them.
const FURTHER: [&str; 7] = ["also", "and", "et", "plus", "then", "und", "y"];
/// The shortest word that another one may be a longer form of.
const MIN_COMMON: usize = 5;
/// The most letters of a script without blanks that stand for one word.
const WORD_LETTERS: usize = 4;
/// Marks that belong to the name before them.
const NAME_MARKS: [char; 2] = ['+', '#'];

/// Whether two tasks may be one, if what else is known of them says so: half of their words are common, or all words of the
/// shorter one occur in the longer one. Numbers and names of one letter must not differ, nor may the one word that is
/// exchanged, what is done, the order of what it is done to, or the ends of what is moved.
#[must_use]
pub fn is_related(one: &str, other: &str) -> bool {
    are_related(&Words::of(one), &Words::of(other))
}

/// Whether two tasks are one in other words, as far as words can tell: they are related, and what one has more is a remark
/// behind what it is about. A further object or a further deed is another task.
#[must_use]
pub fn is_alike(one: &str, other: &str) -> bool {
    let (one, other) = (Words::of(one), Words::of(other));
    are_related(&one, &other)
        && one.is_about_no_more_than(&other)
        && other.is_about_no_more_than(&one)
        && (one.head().len().min(other.head().len()) >= 2 || is_part(&one.content, &other.content))
}

fn are_related(one: &Words, other: &Words) -> bool {
    let (set_one, set_other) = (one.set(), other.set());
    let common = set_one.intersection(&set_other).count();
    let all = set_one.union(&set_other).count();
    let shorter = set_one.len().min(set_other.len());
    let is_near = common * 2 >= all && common > 0 || shorter >= 2 && common == shorter;
    is_near
        && !has_other_labels(&set_one, &set_other)
        && !does_other(one, other)
        && !exchanges_a_word(one, other)
        && !is_in_other_order(one, other)
        && !goes_the_other_way(one, other)
}

/// Whether one text has all words of the other.
#[must_use]
pub fn is_longer_or_shorter(one: &str, other: &str) -> bool {
    is_part(&Words::of(one).content, &Words::of(other).content)
}

/// Whether one list has all words of the other.
fn is_part(one: &[String], other: &[String]) -> bool {
    let (one, other) = (set_of(one), set_of(other));
    one.is_subset(&other) || other.is_subset(&one)
}

/// The words of a text in their order.
struct Words {
    /// Those that carry its meaning, as stems. Of a script without blanks, each letter.
    content: Vec<String>,
    /// How many of them say what it is about; a remark follows.
    head: usize,
    /// What follows "from" and "to".
    ends: [Option<String>; 2],
}

impl Words {
    fn of(text: &str) -> Self {
        let text = text.nfc().collect::<String>();
        let runs = runs(&text);
        let head_end = head_end(&text);
        let (mut content, mut ends, mut head) = (Vec::new(), [None, None], 0);
        let mut before = "";
        for (place, run) in runs.iter().enumerate() {
            let word = run.word.as_str();
            match before {
                "from" => ends[0] = Some(word.to_owned()),
                "to" | "into" => ends[1] = Some(word.to_owned()),
                _ => {}
            }
            before = word;
            if word.chars().any(is_unspaced) {
                content.extend(word.chars().map(String::from));
            } else if !run.is_filler(place == 0, runs.get(place + 1)) {
                content.extend(parts(word).map(|part| stem(part).to_owned()));
            }
            if run.start < head_end {
                head = content.len();
            }
        }
        if head == 0 {
            head = content.len();
        }
        Self {
            content,
            head,
            ends,
        }
    }

    /// Without their order.
    fn set(&self) -> BTreeSet<String> {
        set_of(&self.content)
    }

    /// What the text is about, without words that only say that it goes on.
    fn head(&self) -> &[String] {
        let head = &self.content[..self.head];
        let neutral = head.iter().take_while(|word| is_neutral(word)).count();
        &head[neutral..]
    }

    /// Whether the other text speaks of all that this one is about.
    fn is_about_no_more_than(&self, other: &Self) -> bool {
        let (about, spoken) = (set_of(self.head()), other.set());
        let is_spoken_of =
            |word: &String| spoken.contains(word) || spoken.iter().any(|it| is_form_of(it, word));
        about.iter().all(is_spoken_of)
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

/// The words without their order. Of a script without blanks, each pair of neighbours counts as a word.
fn set_of(words: &[String]) -> BTreeSet<String> {
    let is_letter = |word: &str| word.chars().all(is_unspaced);
    let mut set = BTreeSet::new();
    for (place, word) in words.iter().enumerate() {
        let next = words.get(place + 1).filter(|next| is_letter(next));
        match next {
            Some(next) if is_letter(word) => {
                set.insert(format!("{word}{next}"));
            }
            _ if is_letter(word) && place > 0 && is_letter(&words[place - 1]) => {}
            // Verbs that do the same are one word.
            _ => {
                let name = deed(word).map(|deed| name_of(deed).to_owned());
                set.insert(name.unwrap_or_else(|| word.clone()));
            }
        }
    }
    set
}

/// Whether both texts have numbers, names of one letter or names with a mark, and not the same ones.
fn has_other_labels(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let labels = |words: &BTreeSet<String>| -> BTreeSet<String> {
        let is_label = |word: &&String| {
            let is_marked = |c: char| c.is_numeric() || NAME_MARKS.contains(&c);
            word.chars().any(is_marked) || word.len() == 1
        };
        words.iter().filter(is_label).cloned().collect()
    };
    let (one, other) = (labels(one), labels(other));
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

/// Whether the texts name what they have in common in another order, as where one thing is turned into another. A verb may
/// stand anywhere.
fn is_in_other_order(one: &Words, other: &Words) -> bool {
    let named_in_both = |words: &Words, others: &Words| {
        let mut named: Vec<String> = Vec::new();
        for word in &words.content {
            let is_name = deed(word).is_none() && !word.chars().any(is_unspaced);
            if is_name && others.content.contains(word) && !named.contains(word) {
                named.push(word.clone());
            }
        }
        named
    };
    named_in_both(one, other) != named_in_both(other, one)
}

/// Whether what is moved from here to there is moved from there to here.
fn goes_the_other_way(one: &Words, other: &Words) -> bool {
    let [from_one, to_one] = &one.ends;
    let [from_other, to_other] = &other.ends;
    let meets = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
    meets(from_one, to_other) || meets(to_one, from_other)
}

/// A word of a text, in small letters, with the characters beside it.
struct Run {
    word: String,
    /// Where it starts, in bytes.
    start: usize,
    is_capital: bool,
    before: Option<char>,
    after: Option<char>,
}

impl Run {
    /// Whether the word says nothing of what a task is about. One letter is an article, a pronoun or what an apostrophe left,
    /// or else a name.
    fn is_filler(&self, is_first: bool, next: Option<&Run>) -> bool {
        let word = self.word.as_str();
        if word.chars().count() > 1 {
            return FILLERS.contains(&word);
        }
        let is_apostrophe = |c: Option<char>| matches!(c, Some('\'' | '\u{2019}'));
        if is_apostrophe(self.before) != is_apostrophe(self.after) {
            return true;
        }
        let is_apart = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let leads = next.is_some_and(|next| !FILLERS.contains(&next.word.as_str()));
        let is_plain = !self.is_capital || is_first || word == "i";
        FILLERS.contains(&word)
            && is_plain
            && leads
            && is_apart(self.before)
            && is_apart(self.after)
    }
}

/// The words of a text. Marks at the end of one belong to its name: C++ is another language than C.
fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    while let Some(offset) = text[start..].find(char::is_alphanumeric) {
        let before = text[..start + offset].chars().next_back();
        start += offset;
        let rest = &text[start..];
        let letters = rest
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(rest.len());
        let marks = rest[letters..].trim_start_matches(NAME_MARKS);
        let is_joined = marks.starts_with(char::is_alphanumeric);
        let end = if is_joined {
            letters
        } else {
            rest.len() - marks.len()
        };
        let word = rest[..end].to_lowercase();
        runs.push(Run {
            // What is left of "don't" before its apostrophe.
            word: if matches!(word.as_str(), "don" | "doesn") {
                "not".to_owned()
            } else {
                word
            },
            start,
            is_capital: rest.starts_with(char::is_uppercase),
            before,
            after: rest[end..].chars().next(),
        });
        start += end;
    }
    runs
}

/// A name and the number behind it: "python3" is "python 3". A letter with a number is one name.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_name = name.chars().count() >= 2 && name.chars().all(char::is_alphabetic);
    let at = if is_name { name.len() } else { word.len() };
    [&word[..at], &word[at..]]
        .into_iter()
        .filter(|part| !part.is_empty())
}

/// Where what a text is about ends and a remark on it begins.
fn head_end(text: &str) -> usize {
    let is_blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let mut before = None;
    for (at, mark) in text.char_indices() {
        let rest = &text[at + mark.len_utf8()..];
        let is_before_blank = is_blank(rest.chars().next());
        let ends = match mark {
            '(' | '[' | '（' | '：' => true,
            ':' => is_before_blank,
            '-' | '–' | '—' => is_blank(before) && is_before_blank,
            '.' | ',' | ';' | '!' => is_before_blank && !begins_further(rest),
            '\n' | '。' | '，' | '；' => !begins_further(rest),
            _ => false,
        };
        if ends {
            return at;
        }
        before = Some(mark);
    }
    text.len()
}

/// Whether a further deed begins here. "tests left" and "testing now" are remarks.
fn begins_further(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    let first = words.find(|word| !word.is_empty()).map(str::to_lowercase);
    first.is_some_and(|word| {
        let is_command = !["s", "ing", "ed"].iter().any(|end| word.ends_with(end));
        FURTHER.contains(&word.as_str()) || is_command && deed(stem(&word)).is_some()
    })
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
