//! When two texts of a model are the same step, decision or task: models repeat themselves with other capitals, blanks
//! and full stops, and reword their task from save to save.

use std::collections::BTreeSet;

/// Words that say nothing of what a task is about.
const FILLERS: [&str; 24] = [
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on",
    "or", "so", "that", "the", "then", "this", "to", "up", "with",
];

/// What two spellings of one item have in common: small letters, single blanks, no closing punctuation.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        let start = joined.len();
        if word.is_ascii() {
            joined.push_str(word);
            joined[start..].make_ascii_lowercase();
        } else {
            joined.push_str(&word.to_lowercase());
        }
    }
    let trimmed = joined.trim_end_matches(['.', ';', ',', '!', ' ']).len();
    // A text of punctuation alone stays what it is.
    if trimmed > 0 {
        joined.truncate(trimmed);
    }
    joined
}

/// Whether two texts are spellings of one item.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    normalised(one) == normalised(other)
}

/// Whether two tasks may be one in other words: half of their words are common, or all words of the shorter one occur
/// in the longer one; numbers, as in names of issues and files, must not differ.
#[must_use]
pub fn is_alike(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    let numbers = |words: &BTreeSet<String>| -> BTreeSet<String> {
        let has_digit = |word: &&String| word.chars().any(char::is_numeric);
        words.iter().filter(has_digit).cloned().collect()
    };
    let (numbers_one, numbers_other) = (numbers(&one), numbers(&other));
    if !numbers_one.is_empty() && !numbers_other.is_empty() && numbers_one != numbers_other {
        return false;
    }
    let common = one.intersection(&other).count();
    let all = one.union(&other).count();
    let shorter = one.len().min(other.len());
    common * 2 >= all && common > 0 || shorter >= 2 && common == shorter
}

/// The words that carry a text's meaning. Of a script without blanks, each pair of neighbours counts as a word.
fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let mut words = BTreeSet::new();
    for run in lower.split(|c: char| !c.is_alphanumeric()) {
        let letters: Vec<char> = run.chars().collect();
        if letters.iter().any(|c| is_unspaced(*c)) && letters.len() > 1 {
            words.extend(
                letters
                    .windows(2)
                    .map(|pair| pair.iter().collect::<String>()),
            );
        } else if !run.is_empty() && !FILLERS.contains(&run) {
            words.insert(stem(run).to_owned());
        }
    }
    words
}

/// A word without the commonest English endings: "porting" and "ports" are about "port".
fn stem(word: &str) -> &str {
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
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_item_are_the_same() {
        for (one, other, same) in [
            ("Run the tests", "run  the tests.", true),
            ("run\nthe tests", " Run the tests! ", true),
            ("run the tests", "run the test", false),
            ("ÄNDERN", "ändern", true),
            ("...", "...", true),
            ("...", "!!!", false),
            ("v1.2", "v1.2.", true),
            ("v1.2", "v12", false),
        ] {
            assert_eq!(is_same(one, other), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn reworded_tasks_are_alike_and_other_tasks_are_not() {
        for (one, other, alike) in [
            (
                "Write a parser",
                "write a parser: grammar done, now the tests",
                true,
            ),
            (
                "Add a rate limiter",
                "Adding tests to the rate limiter",
                true,
            ),
            ("write the parser", "write the lexer", false),
            ("task 1", "task 2", false),
            ("fix issue 41", "fix issue 42", false),
            ("main job", "a subagent's look at the docs", false),
            ("gather data", "check links", false),
            ("重构身份验证模块", "重构身份验证模块的测试", true),
            ("重构身份验证模块", "更新文档", false),
            ("", "", false),
        ] {
            assert_eq!(is_alike(one, other), alike, "{one:?} {other:?}");
        }
    }
}
