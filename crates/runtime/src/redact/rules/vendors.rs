//! The keys and tokens that vendors give out: a maintained rule set, as a generated table.
//!
//! A newer set comes with another version of `secrets_scanner` in `Cargo.toml`; the test `vendor_rules` compares the table
//! with the set and writes it anew.

mod table;

pub(super) use table::RULES;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::{Path, PathBuf};

    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;
    use regex::Regex;

    use super::super::candidates::all;
    use super::super::index::WordIndex;
    use super::RULES;
    use crate::redact::rules::rule::Rule;
    use crate::redact::text;

    /// What the rule looks for, without the borders of words that the generator puts around it.
    fn secret_pattern(rule: &Rule) -> String {
        let before = [
            r"(?:(?-u:\b)|_|\\[nrt])(",
            r"(?:^|\\[nrt]|[^0-9A-Za-z+/])[+/]?(",
        ];
        let mut starts = before.iter().filter_map(|it| rule.pattern.strip_prefix(it));
        let secret = starts.next().unwrap();
        let secret = secret.strip_suffix(r")(?-u:\b{end-half})").unwrap();
        secret.to_owned()
    }

    #[test]
    fn every_pattern_compiles_and_all_words_are_looked_for() {
        for rule in all() {
            assert!(Regex::new(rule.pattern).is_ok(), "{}", rule.name);
        }
        assert!(WordIndex::new(all()).is_some());
    }

    #[test]
    fn every_rule_takes_out_what_its_vendor_gives_out() {
        let mut runner = TestRunner::deterministic();
        for rule in &RULES {
            let secrets = string_regex(&secret_pattern(rule)).unwrap();
            // Chance makes a word now and then, which no vendor gives out.
            let secrets = secrets.prop_filter("no chance", |secret| (rule.accepts)(secret));
            for _ in 0..8 {
                let secret = secrets.new_tree(&mut runner).unwrap().current();
                assert!(rule.apply(&secret).is_some(), "{}: {secret}", rule.name);
                for written in [
                    format!("see {secret} there"),
                    format!("KEY=\\n{secret}\\n"),
                    format!("鍵は{secret}です"),
                    format!("+{secret}\n"),
                ] {
                    assert!(rule.apply(&written).is_some(), "{}: {written}", rule.name);
                    let redacted = text(&written);
                    assert!(!redacted.contains(&secret), "{}: {redacted}", rule.name);
                }
            }
        }
    }

    #[test]
    fn a_newer_set_is_no_smaller_one() {
        assert!(RULES.len() >= 300, "{}", RULES.len());
        let has = |word| RULES.iter().any(|rule| rule.words.contains(&word));
        for word in [
            "ghp_",
            "glpat-",
            "npm_",
            "aiza",
            "sk-ant-api03-",
            "xoxb-",
            "hvs.",
            "pul-",
        ] {
            assert!(has(word), "{word}");
        }
    }

    /// The sources of this program, with their hashes, ids, paths and long names.
    fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else {
                into.push(path);
            }
        }
    }

    #[test]
    fn nothing_of_this_program_is_taken_for_a_key() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = vec![root.join("Cargo.lock")];
        for folder in ["src", "proto", "crates", "services", "gateway", "deploy"] {
            sources(&root.join(folder), &mut files);
        }
        assert!(files.len() > 300, "{}", files.len());
        for file in files {
            let Ok(content) = std::fs::read_to_string(&file) else {
                continue;
            };
            let found = RULES.iter().find(|rule| rule.apply(&content).is_some());
            let found = found.map(|rule| rule.name);
            assert_eq!(found, None, "{}", file.display());
        }
    }
}
