//! Makes the table of vendors' rules from the maintained set: the rules that are exact enough to change what is saved.
//!
//! The crate `secrets_scanner` carries the rules of gitleaks (MIT), of MongoDB's Kingfisher (Apache-2.0) and some of its
//! own (MIT). Only this test reads it: the patterns are part of the program through the table, and `THIRD_PARTY.md` has
//! their notices; the crate's code is not. `secret_pattern.rs` says what stays out, and why.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

mod secret_pattern;

use secret_pattern::SecretPattern;

/// Rules that show how to write a rule, and are about no vendor.
const EXAMPLES: [&str; 1] = ["my-internal-api-key"];

#[derive(Deserialize)]
struct RuleSet {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    /// There is none in a rule about the names of files.
    regex: Option<String>,
    /// Which group of the pattern is the secret; the first one unless said otherwise.
    secret_group: Option<u32>,
}

impl Rule {
    /// A pattern that cannot be read is an error: a newer set must lose no rule in silence.
    fn secret_pattern(&self) -> Result<Option<SecretPattern>, Box<dyn Error>> {
        let Some(pattern) = &self.regex else {
            return Ok(None);
        };
        let secret_pattern = SecretPattern::of(pattern, self.secret_group);
        secret_pattern.map_err(|error| format!("{}: {error}", self.id).into())
    }

    /// `kingfisher.github.2` is one of several rules about what GitHub gives out.
    fn name(&self) -> String {
        let id = self.id.trim_start_matches("kingfisher.");
        let numbered = id.rsplit_once('.');
        let name = numbered.filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        name.map_or(id, |(name, _)| name).replace(['.', '_'], "-")
    }
}

const HEAD: &str = r#"//! The keys and tokens of vendors. Generated from the rule set of the crate `secrets_scanner`, never edited by hand:
//! `REWRITE_VENDOR_RULES=1 cargo test -p shim-runtime --test vendor_rules` writes it.

use crate::redact::rules::rule::Rule;

#[rustfmt::skip]
"#;

/// Set to write the table instead of comparing it.
const REWRITE: &str = "REWRITE_VENDOR_RULES";

#[test]
fn the_table_is_what_the_maintained_set_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/redact/rules/vendors/table.rs");
    let set: RuleSet = toml::from_str(secrets_scanner::rules::BUNDLED_RULES).unwrap();
    let generated = table(&set).unwrap();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    let only_in = |one: &str, other: &str| {
        let other: BTreeSet<_> = other.lines().collect();
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (new, gone) = (only_in(&generated, &written), only_in(&written, &generated));
    assert!(
        generated == written,
        "new: {new:#?}, gone: {gone:#?}; {REWRITE}=1 writes the table"
    );
}

/// The source of a table of rules.
fn table(set: &RuleSet) -> Result<String, Box<dyn Error>> {
    let mut rules = String::new();
    let mut patterns = BTreeSet::new();
    for rule in &set.rules {
        let Some(secret_pattern) = rule.secret_pattern()? else {
            continue;
        };
        if EXAMPLES.contains(&rule.id.as_str()) || !patterns.insert(secret_pattern.pattern.clone())
        {
            continue;
        }
        let before = before(&secret_pattern);
        let SecretPattern { prefixes, pattern } = secret_pattern;
        let pattern = format!(r"{before}({pattern})(?-u:\b{{end-half}})");
        writeln!(
            rules,
            "    Rule::of_vendor({:?}, &{prefixes:?}, {pattern:?}),",
            rule.name()
        )?;
    }
    let count = patterns.len();
    Ok(format!(
        "{HEAD}pub(crate) static RULES: [Rule; {count}] = [\n{rules}];\n"
    ))
}

/// What may be right before a secret. In escaped text (JSON, `Debug`) the letter of `\n` is.
fn before(secret_pattern: &SecretPattern) -> &'static str {
    if secret_pattern.may_be_base64() {
        // A sign of base64 at the beginning of a line may be that of a diff.
        r"(?:^|\\[nrt]|[^0-9A-Za-z+/])[+/]?"
    } else {
        r"(?:(?-u:\b)|_|\\[nrt])"
    }
}
