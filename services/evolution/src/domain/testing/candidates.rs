//! Tests that a function might get: one for each observed call, and properties that its inputs suggest.

use serde::Serialize;

use super::observation::Seen;
use super::sequence::{Sequence, sequence};

/// What a test states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Claim {
    /// A call returns a value.
    Value {
        /// Sources of the arguments.
        args: Vec<String>,
        /// Source of the value.
        expected: String,
        /// Sources of the arguments that the call changes.
        changed: Vec<Option<String>>,
    },
    /// A call throws.
    Throws {
        /// Sources of the arguments.
        args: Vec<String>,
        /// The class of the error.
        name: String,
        /// Its message.
        message: Option<String>,
    },
    /// Calls on an instance, one after the other, have an outcome.
    Sequence(Sequence),
    /// The result always has a type.
    Type {
        /// Inputs.
        inputs: Vec<Vec<String>>,
        /// The type.
        r#type: String,
    },
    /// The result is a whole number.
    Integer {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// The result is never below 0.
    NotNegative {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// The result lies between two of the arguments.
    Within {
        /// Inputs.
        inputs: Vec<Vec<String>>,
        /// The lower one's place.
        low: usize,
        /// The upper one's place.
        high: usize,
    },
    /// The call leaves its arguments as they are.
    KeepsInput {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// A second call changes nothing more.
    Idempotent {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// The order of two arguments does not matter.
    Commutes {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// The result is as long as the first argument.
    SameLength {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// The result is no longer than the first argument.
    NotLonger {
        /// Inputs.
        inputs: Vec<Vec<String>>,
    },
    /// Another function takes the result back.
    RoundTrip {
        /// Inputs.
        inputs: Vec<Vec<String>>,
        /// The other function.
        other: u32,
    },
}

/// A test that may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Candidate {
    /// Names it within one generation.
    pub(crate) id: u32,
    /// Its function.
    pub(crate) f: u32,
    /// Whether the function answers by a promise.
    pub(crate) is_async: bool,
    /// Whether the function answers by an iterator.
    pub(crate) is_iterator: bool,
    /// What it states.
    #[serde(flatten)]
    pub(crate) claim: Claim,
}

impl Candidate {
    /// Whether it is a property of many inputs.
    pub(crate) fn is_property(&self) -> bool {
        !matches!(
            self.claim,
            Claim::Value { .. } | Claim::Throws { .. } | Claim::Sequence(_)
        )
    }

    /// What it costs a reader: characters, about, and more for inputs that nobody passes on purpose.
    pub(crate) fn cost(&self) -> usize {
        let of = |args: &[String]| {
            let strange = ["NaN", "undefined", "null", "-0"];
            let has = |arg: &&String| strange.iter().any(|word| arg.contains(word));
            let characters: usize = args.iter().map(String::len).sum();
            characters + 40 * args.iter().filter(has).count()
        };
        match &self.claim {
            Claim::Value { args, expected, .. } => of(args) + expected.len(),
            Claim::Throws { args, message, .. } => {
                of(args) + message.as_ref().map_or(0, String::len)
            }
            Claim::Sequence(sequence) => of(&sequence.steps) + sequence.cost(),
            _ => 1_000,
        }
    }
}

/// An observed call that may be a test.
pub(crate) struct Call<'a> {
    /// Sources of its arguments.
    pub(crate) args: &'a [String],
    /// What it did.
    pub(crate) seen: &'a Seen,
    /// Whether its arguments are random ones.
    pub(crate) is_random: bool,
}

/// A function and what was seen of it.
pub(crate) struct Subject<'a> {
    /// Its number.
    pub(crate) id: u32,
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether its calls are sequences on instances.
    pub(crate) makes_instances: bool,
    /// Whether a call of it, without `new`, makes an instance.
    pub(crate) is_factory: bool,
    /// Names of its parameters.
    pub(crate) parameters: Vec<&'a str>,
    /// Its usable calls.
    pub(crate) calls: Vec<Call<'a>>,
    /// Names and numbers of all functions of its module.
    pub(crate) siblings: Vec<(&'a str, u32)>,
}

/// The most inputs of a property, and the fewest that say something.
const MAX_INPUTS: usize = 12;
const MIN_INPUTS: usize = 6;
const MAX_INPUT_CHARS: usize = 80;

/// All that a function's calls suggest; which of it holds and is worth keeping shows itself later.
pub(crate) fn candidates(subject: &Subject<'_>, next_id: &mut u32) -> Vec<Candidate> {
    let mut claims: Vec<(Claim, &Seen)> = Vec::new();
    for call in &subject.calls {
        if !subject.makes_instances {
            claims.push((claim_of(call), call.seen));
        } else if let Some(sequence) = sequence(call.args, call.seen, subject.is_factory) {
            claims.push((Claim::Sequence(sequence), call.seen));
        }
    }
    if subject.makes_instances {
        return numbered(subject.id, claims, next_id);
    }
    if let Some(call) = subject.calls.iter().find(|call| call.seen.value.is_some()) {
        claims.extend(
            properties(subject)
                .into_iter()
                .map(|claim| (claim, call.seen)),
        );
    }
    numbered(subject.id, claims, next_id)
}

fn numbered(f: u32, claims: Vec<(Claim, &Seen)>, next_id: &mut u32) -> Vec<Candidate> {
    let made = claims.into_iter().map(|(claim, seen)| {
        *next_id += 1;
        Candidate {
            id: *next_id,
            f,
            is_async: seen.is_async,
            is_iterator: seen.is_iterator,
            claim,
        }
    });
    made.collect()
}

fn claim_of(call: &Call<'_>) -> Claim {
    let args = call.args.to_vec();
    match (&call.seen.error, &call.seen.value) {
        (Some(error), _) => Claim::Throws {
            args,
            name: error.class.clone(),
            message: Some(error.message.clone()),
        },
        (None, value) => Claim::Value {
            args,
            expected: value.clone().unwrap_or_default(),
            changed: call.seen.changed.clone(),
        },
    }
}

fn properties(subject: &Subject<'_>) -> Vec<Claim> {
    let is_short =
        |call: &&Call<'_>| call.args.iter().map(String::len).sum::<usize>() <= MAX_INPUT_CHARS;
    let random = subject
        .calls
        .iter()
        .filter(|call| call.is_random && call.seen.value.is_some());
    let calls: Vec<&Call<'_>> = random.filter(is_short).take(MAX_INPUTS).collect();
    let types: Vec<&str> = calls
        .iter()
        .map(|call| call.seen.value_type.as_str())
        .collect();
    let [first, ..] = types.as_slice() else {
        return Vec::new();
    };
    if calls.len() < MIN_INPUTS || calls.iter().any(|call| call.args.is_empty()) {
        return Vec::new();
    }
    let inputs: Vec<Vec<String>> = calls.iter().map(|call| call.args.to_vec()).collect();
    let mut claims = Vec::new();
    if types.iter().all(|other| other == first) {
        claims.push(Claim::Type {
            inputs: inputs.clone(),
            r#type: (*first).to_owned(),
        });
        claims.extend(properties_of_type(subject, first, &calls, &inputs));
    }
    if inputs
        .iter()
        .flatten()
        .any(|text| text.starts_with(['[', '{']))
    {
        claims.push(Claim::KeepsInput { inputs });
    }
    claims
}

fn properties_of_type(
    subject: &Subject<'_>,
    kind: &str,
    calls: &[&Call<'_>],
    inputs: &[Vec<String>],
) -> Vec<Claim> {
    let inputs = || inputs.to_vec();
    let values: Vec<&str> = calls
        .iter()
        .filter_map(|call| call.seen.value.as_deref())
        .collect();
    if values.iter().all(|value| *value == values[0]) {
        return Vec::new();
    }
    let firsts: Vec<&str> = calls.iter().map(|call| call.args[0].as_str()).collect();
    let takes_own = are_of_type(kind, &firsts);
    let mut claims = Vec::new();
    if takes_own && firsts != values {
        claims.push(Claim::Idempotent { inputs: inputs() });
    }
    if let Some(other) = inverse(subject) {
        claims.push(Claim::RoundTrip {
            inputs: inputs(),
            other,
        });
    }
    if calls.iter().all(|call| call.args.len() == 2) {
        claims.push(Claim::Commutes { inputs: inputs() });
    }
    if kind == "number" {
        claims.extend(range(subject, inputs()));
        claims.push(Claim::NotNegative { inputs: inputs() });
        claims.push(Claim::Integer { inputs: inputs() });
    } else if takes_own {
        claims.push(Claim::SameLength { inputs: inputs() });
        claims.push(Claim::NotLonger { inputs: inputs() });
    }
    claims
}

/// Whether all sources are literals of a type whose values a function may take as well as return.
fn are_of_type(kind: &str, sources: &[&str]) -> bool {
    let begin = |start: char| sources.iter().all(|text| text.starts_with(start));
    match kind {
        "string" => begin('\''),
        "array" => begin('['),
        "number" => sources.iter().all(|text| text.parse::<f64>().is_ok()),
        _ => false,
    }
}

fn range(subject: &Subject<'_>, inputs: Vec<Vec<String>>) -> Option<Claim> {
    let place = |names: &[&str]| {
        subject
            .parameters
            .iter()
            .position(|name| names.contains(&name.to_lowercase().as_str()))
    };
    let low = place(&["low", "lower", "min", "minimum", "start", "from"])?;
    let high = place(&["high", "upper", "max", "maximum", "end", "to"])?;
    Some(Claim::Within { inputs, low, high })
}

/// Words in names of functions that take each other back.
const INVERSES: [(&str, &str); 15] = [
    ("encode", "decode"),
    ("escape", "unescape"),
    ("stringify", "parse"),
    ("serialize", "deserialize"),
    ("serialise", "deserialise"),
    ("pack", "unpack"),
    ("compress", "decompress"),
    ("encrypt", "decrypt"),
    ("format", "parse"),
    ("toBase", "fromBase"),
    ("toHex", "fromHex"),
    ("flatten", "unflatten"),
    ("quote", "unquote"),
    ("split", "join"),
    ("to", "from"),
];

/// The function that takes back what this one does, by its name.
fn inverse(subject: &Subject<'_>) -> Option<u32> {
    let named = |wanted: &str| {
        subject
            .siblings
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, id)| *id)
    };
    // A method is taken back by one of the same holder.
    let (holder, name) = subject.name.rsplit_once('.').unwrap_or(("", subject.name));
    let named = |wanted: &str| match holder {
        "" => named(wanted),
        holder => named(&format!("{holder}.{wanted}")),
    };
    let mut found = INVERSES.iter().filter_map(|(there, back)| {
        let plain = name
            .starts_with(there)
            .then(|| name.replacen(there, back, 1));
        let (there, back) = (capitalized(there), capitalized(back));
        let inner = name
            .contains(&there)
            .then(|| name.replacen(&there, &back, 1));
        [plain, inner]
            .into_iter()
            .flatten()
            .find_map(|wanted| named(&wanted))
    });
    found.next().filter(|other| *other != subject.id)
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
#[path = "candidates_tests.rs"]
mod tests;
