//! Lists of words, as of a command: a flag is an item of its own, before its value.

use std::borrow::Cow;

use super::named::{self, Strength};
use super::{names, text};

/// Flags that take a name and a password, `bob:...`.
const OF_USERS: [&str; 5] = ["-u", "--user", "--proxy-user", "-a", "--auth"];

/// Stands in a line of words for an item that is none.
const NO_WORD: &str = "_";

/// What stands for the items that hold a secret; `None` for the others, and for an item that is no text.
pub(super) fn redacted(items: &[Option<&str>]) -> Vec<Option<String>> {
    let mut redacted = vec![None; items.len()];
    let is_flag = |item: &&str| item.starts_with('-') && is_word(item);
    if !items.iter().flatten().any(is_flag) {
        return redacted;
    }
    for (at, pair) in items.windows(2).enumerate() {
        if let [Some(flag), Some(value)] = pair {
            redacted[at + 1] = behind_flag(flag, value);
        }
    }
    redact_as_line(items, &mut redacted);
    redacted
}

/// The value of a flag without its secret; `None` if it has none.
fn behind_flag(flag: &str, value: &str) -> Option<String> {
    let name = flag.strip_prefix('-').filter(|_| is_word(flag))?;
    if value.starts_with('-') || name.starts_with("-no-") || name.contains('=') {
        return None;
    }
    if OF_USERS.contains(&flag) {
        let (user, password) = value.split_once(':')?;
        let mark = names::mark(password, Strength::Likely)?;
        return Some(format!("{user}:{mark}"));
    }
    names::mark(value, named::strength(name)?)
}

/// The rules for lines of a shell find what the words reveal together, as `curl -u bob:...` does.
fn redact_as_line(items: &[Option<&str>], redacted: &mut [Option<String>]) {
    let words = items.iter().zip(redacted.iter());
    let words: Vec<&str> = words
        .map(|(item, done)| match item {
            Some(item) if done.is_none() && is_word(item) => item,
            _ => NO_WORD,
        })
        .collect();
    let line = words.join(" ");
    let Cow::Owned(clean) = text::text(&line) else {
        return;
    };
    let clean: Vec<&str> = clean.split(' ').collect();
    // A secret of several words leaves fewer of them; each item is read by itself, too.
    if clean.len() != words.len() {
        return;
    }
    for ((word, clean), redacted) in words.iter().zip(clean).zip(redacted) {
        if *word != clean {
            *redacted = Some(clean.to_owned());
        }
    }
}

/// Whether a shell takes the item for one word, whatever stands around it.
fn is_word(item: &str) -> bool {
    let is_parting = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '`');
    !item.is_empty() && !item.contains(is_parting)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost_types::{Struct, Value};

    use crate::redact::data;

    #[test]
    fn words_of_a_list_and_members_of_an_object_of_secrets_are_taken_out() {
        let string = |text: &str| Value::from(text);
        let list =
            |words: &[&str]| Value::from(words.iter().map(|word| string(word)).collect::<Vec<_>>());
        let object = |name: &str, value: Value| {
            let fields = BTreeMap::from([(name.to_owned(), value)]);
            Value::from(fields)
        };
        let random = ["kNX7LHQ7", "AtNJX3OrUbmk"].concat();
        let user = format!("bob:{random}");
        let flag = format!("-p{random}");
        let (one, two) = (string(&random), object("v", string(&random)));
        for (value, is_secret) in [
            (list(&["--password", &random]), true),
            (list(&["curl", "-u", &user, "https://x"]), true),
            (list(&["-u", &user]), true),
            (list(&["mysql", "-u", "root", &flag]), true),
            (object("passwords", object("bob", one.clone())), true),
            (object("credentials", object("secret", two)), true),
            (object("passwords", object("id", one.clone())), false),
            (list(&["--commit", &random]), false),
        ] {
            let mut free = Struct {
                fields: [("args".to_owned(), value)].into(),
            };
            data(&mut free);
            let shown = format!("{free:?}");
            assert_eq!(
                !shown.contains(&random),
                is_secret || shown.contains("--user"),
                "{shown}"
            );
            let once = free.clone();
            data(&mut free);
            assert_eq!(free, once);
        }
    }
}
