//! The form of the secrets of one rule, if it is exact enough: a prefix of its own, and random characters behind it.
//!
//! Other rules look for a vendor's name and any 32 letters near it. That is right for a list of findings that a person
//! reads, and wrong here: redaction destroys what it takes for a secret, and such rules take hashes, ids and file names.

use std::collections::BTreeSet;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Shorter beginnings are met in any text.
const MIN_PREFIX: usize = 4;
/// So much must follow the beginning; what is shorter may be a word.
const MIN_RANDOM: usize = 16;
/// More beginnings than this are none.
const MAX_PREFIXES: usize = 32;
/// A class of more characters is chance, and no part of a beginning.
const MAX_ALTERNATIVES: usize = 8;
/// Beginnings that programs give to names of all kinds, or that end a word, when there is nothing but a separator behind.
const ORDINARY: [&str; 19] = [
    "access",
    "api",
    "app",
    "cal",
    "dev",
    "ion",
    "key",
    "live",
    "org",
    "prod",
    "production",
    "project",
    "ptr",
    "sandbox",
    "secret",
    "stage",
    "test",
    "token",
    "user",
];
/// How keys begin that their vendors want to be shown to everybody, in pages and programs.
const PUBLIC: [&str; 8] = [
    "flwpubk",
    "live_pub_",
    "pk_live_",
    "plln_pk_",
    "pub-c-",
    "pubkey-",
    "sb_publishable_",
    "test_pub_",
];
/// How the header of every JSON Web Token begins: it says nothing about a vendor, and has a rule of ours.
const OF_ANY_ISSUER: [&str; 2] = ["eyjhbg", "eyj0ex"];

/// What is wrong with a pattern; boxed, since it holds the pattern.
pub(crate) type PatternParseError = Box<regex_syntax::Error>;

/// What a vendor's secrets have in common.
pub(crate) struct SecretPattern {
    /// In lower case; each secret begins with one of them, in any case.
    pub(crate) prefixes: Vec<String>,
    /// The secret alone, without what the rule wants to see around it.
    pub(crate) pattern: String,
}

impl SecretPattern {
    /// The form of what the group of the pattern finds; `None` if it is not exact enough.
    pub(crate) fn of(pattern: &str, group: Option<u32>) -> Result<Option<Self>, PatternParseError> {
        // Vendors' secrets are ASCII, and so are classes such as `\w` then.
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
        let whole = parser.parse(pattern).map_err(Box::new)?;
        let secret = self::group(&whole, group.unwrap_or(1)).unwrap_or(&whole);
        let secret = without_look_arounds(secret);
        let prefixes = prefixes(&secret).texts;
        let shortest = secret.properties().minimum_len().unwrap_or(0);
        let is_exact = prefixes
            .iter()
            .all(|prefix| is_distinctive(prefix) && shortest >= prefix.len() + MIN_RANDOM);
        let is_word = secret.properties().is_utf8() && !holds_space(&secret);
        Ok((is_exact && is_word).then(|| Self {
            prefixes: prefixes.into_iter().collect(),
            pattern: secret.to_string(),
        }))
    }

    /// Whether encoded data may hold a beginning: a picture does, sooner or later, behind one of its signs.
    pub(crate) fn may_be_base64(&self) -> bool {
        let is_plain = |prefix: &String| prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        self.prefixes.iter().any(is_plain)
    }
}

/// Whether a beginning shows by itself that a secret follows. URLs stay readable: only their password is one.
fn is_distinctive(prefix: &str) -> bool {
    let word = prefix.trim_end_matches(['_', '-', '.', ':', '/']);
    prefix.is_ascii()
        && prefix.len() >= MIN_PREFIX
        && prefix.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !prefix.contains("://")
        && !ORDINARY.contains(&word)
        && !PUBLIC.iter().any(|public| prefix.starts_with(public))
        && !OF_ANY_ISSUER.iter().any(|any| prefix.starts_with(any))
}

fn group(hir: &Hir, index: u32) -> Option<&Hir> {
    match hir.kind() {
        HirKind::Capture(capture) if capture.index == index => Some(&capture.sub),
        _ => parts(hir).iter().find_map(|part| group(part, index)),
    }
}

/// Where a word begins and ends is for the table to say, the same way for all rules.
fn without_look_arounds(secret: &Hir) -> Hir {
    let is_inside = |part: &&Hir| !matches!(part.kind(), HirKind::Look(_));
    match secret.kind() {
        HirKind::Concat(parts) => Hir::concat(parts.iter().filter(is_inside).cloned().collect()),
        _ => secret.clone(),
    }
}

/// Whether it matches over spaces: then it reads more than one word.
fn holds_space(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.iter().any(u8::is_ascii_whitespace),
        HirKind::Class(class) => members(class).is_none_or(|all| all.contains(&b' ')),
        _ => parts(hir).iter().any(holds_space),
    }
}

fn parts(hir: &Hir) -> &[Hir] {
    match hir.kind() {
        HirKind::Repetition(repetition) => std::slice::from_ref(&repetition.sub),
        HirKind::Capture(capture) => std::slice::from_ref(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts,
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => &[],
    }
}

/// The bytes of a class; `None` if it holds others than ASCII.
fn members(class: &Class) -> Option<Vec<u8>> {
    let all: Vec<u8> = match class {
        Class::Bytes(class) => {
            let ranges = class.ranges().iter();
            ranges
                .flat_map(|range| range.start()..=range.end())
                .collect()
        }
        Class::Unicode(class) => {
            let ranges = class.to_byte_class()?;
            let ranges = ranges.ranges().iter();
            ranges
                .flat_map(|range| range.start()..=range.end())
                .collect()
        }
    };
    all.is_ascii().then_some(all)
}

/// What texts begin with, in lower case.
struct Prefixes {
    texts: BTreeSet<String>,
    /// There is nothing behind.
    is_whole: bool,
}

impl Prefixes {
    fn text(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        Self {
            texts: BTreeSet::from([text]),
            is_whole: true,
        }
    }

    fn unknown() -> Self {
        Self {
            is_whole: false,
            ..Self::text(b"")
        }
    }

    fn bounded(self) -> Self {
        if self.texts.len() > MAX_PREFIXES {
            Self::unknown()
        } else {
            self
        }
    }

    fn or(mut self, other: Self) -> Self {
        self.texts.extend(other.texts);
        self.is_whole &= other.is_whole;
        self.bounded()
    }

    /// Stays as it is where so many beginnings would come of it that they say nothing.
    fn then(self, next: &Self) -> Self {
        let joined = self
            .texts
            .iter()
            .flat_map(|prefix| next.texts.iter().map(move |more| format!("{prefix}{more}")));
        let joined: BTreeSet<_> = joined.collect();
        if joined.len() > MAX_PREFIXES {
            return Self {
                is_whole: false,
                ..self
            };
        }
        Self {
            texts: joined,
            is_whole: next.is_whole,
        }
    }
}

fn prefixes(hir: &Hir) -> Prefixes {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Prefixes::text(b""),
        HirKind::Literal(literal) => Prefixes::text(&literal.0),
        HirKind::Class(class) => {
            let mut choice = members(class).unwrap_or_default();
            choice.make_ascii_lowercase();
            choice.sort_unstable();
            choice.dedup();
            let each = choice.iter().map(|byte| Prefixes::text(&[*byte]));
            let is_choice = choice.len() <= MAX_ALTERNATIVES;
            each.reduce(Prefixes::or)
                .filter(|_| is_choice)
                .unwrap_or_else(Prefixes::unknown)
        }
        HirKind::Repetition(repetition) => {
            let once = prefixes(&repetition.sub);
            match (repetition.min, repetition.max) {
                (0, Some(1)) => once.or(Prefixes::text(b"")),
                (0, _) => Prefixes::unknown(),
                (1, Some(1)) => once,
                _ => Prefixes {
                    is_whole: false,
                    ..once
                },
            }
        }
        HirKind::Capture(capture) => prefixes(&capture.sub),
        HirKind::Concat(parts) => {
            let mut begun = Prefixes::text(b"");
            for part in parts {
                if !begun.is_whole {
                    break;
                }
                begun = begun.then(&prefixes(part));
            }
            begun
        }
        HirKind::Alternation(parts) => {
            let each = parts.iter().map(prefixes);
            each.reduce(Prefixes::or).unwrap_or_else(Prefixes::unknown)
        }
    }
}
