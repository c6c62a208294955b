//! Makes a table of the maintained rule set: its rules that are exact enough to change what somebody saves.
//!
//! The crate `secrets_scanner` carries the rules of gitleaks (MIT), of MongoDB's Kingfisher (Apache-2.0) and some of its
//! own (MIT). It is read while this crate is built: the patterns are part of the program, and `THIRD_PARTY.md` has their
//! notices; its code is not. What stays out, and why, is in `build/secret_pattern.rs`.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

#[path = "build/secret_pattern.rs"]
mod secret_pattern;

use secret_pattern::SecretPattern;

/// Shows how to write a rule, and is about no vendor.
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

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let set: RuleSet = toml::from_str(secrets_scanner::rules::BUNDLED_RULES)?;
    std::fs::write(out.join("vendors.rs"), table(&set)?)?;
    Ok(())
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
        "pub(super) static RULES: [Rule; {count}] = [\n{rules}];\n"
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
