//! What the vendors of the world give out as keys and tokens: the maintained rule set, as `build.rs` made a table of it.
//! Nothing is written here by hand; a newer set comes with `cargo update -p secrets_scanner`.

use super::Rule;

include!(concat!(env!("OUT_DIR"), "/vendors.rs"));

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::{Path, PathBuf};

    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;

    use super::super::is_chance;
    use super::RULES;
    use crate::redact::text;

    /// What the rule looks for, without the borders of words that the build puts around it.
    fn secret_pattern(rule: &super::Rule) -> String {
        let start = rule.pattern.strip_prefix(r"(?:\b|_|\\[nrt])(").unwrap();
        let secret = start.strip_suffix(r")\b{end-half}").unwrap();
        secret.to_owned()
    }

    #[test]
    fn every_rule_takes_out_what_its_vendor_gives_out() {
        let mut runner = TestRunner::deterministic();
        for rule in &RULES {
            let secrets = string_regex(&secret_pattern(rule)).unwrap();
            // Chance makes a word now and then, which no vendor gives out.
            let secrets = secrets.prop_filter("no chance", |secret| is_chance(secret));
            for _ in 0..8 {
                let secret = secrets.new_tree(&mut runner).unwrap().current();
                for written in [format!("see {secret} there"), format!("KEY=\\n{secret}\\n")] {
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
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = vec![root.join("Cargo.lock")];
        for folder in ["src", "proto", "runtime", "services", "gateway", "deploy"] {
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
