//! What functions were seen to do, and what of it is worth a test.

use serde::Deserialize;

/// An error that a call ended with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct SeenError {
    /// Its `name`; empty for a thrown value that is no error.
    pub(crate) name: String,
    /// The name of its class.
    pub(crate) class: String,
    /// Its message.
    pub(crate) message: String,
}

/// What one call did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Seen {
    /// What it did beside returning: `fs`, `timers`.
    pub(crate) effects: Vec<String>,
    /// For each argument its source after the call, if the call changed it; `?` if it has none.
    pub(crate) changed: Vec<Option<String>>,
    /// Whether it answered by a promise.
    pub(crate) is_async: bool,
    /// Whether it answered by an iterator.
    pub(crate) is_iterator: bool,
    /// Whether it did not settle in time.
    pub(crate) is_late: bool,
    /// Whether it had to be ended.
    pub(crate) is_endless: bool,
    /// Whether an earlier call of its sequence failed.
    pub(crate) is_prelude_broken: bool,
    /// What can be read of the instance after a sequence, and was another before its last call: names with sources.
    pub(crate) state: Vec<(String, String)>,
    /// Which steps of a sequence answered by a promise.
    pub(crate) waits: Vec<bool>,
    /// The source of what it returned, if it has one; `this` for the instance of a sequence.
    pub(crate) value: Option<String>,
    /// The type of what it returned.
    #[serde(rename = "type")]
    pub(crate) value_type: String,
    /// What it threw.
    pub(crate) error: Option<SeenError>,
}

/// Why a function as a whole gets no tests.
pub(crate) fn unfit(seen: &[&Seen]) -> Option<String> {
    let effects = seen.iter().flat_map(|seen| {
        // A runner writes and waits in the background while a promise settles.
        let is_noise =
            |effect: &&String| seen.is_async && matches!(effect.as_str(), "timers" | "output");
        seen.effects.iter().filter(move |effect| !is_noise(effect))
    });
    let mut effects: Vec<&str> = effects.map(String::as_str).collect();
    effects.sort_unstable();
    effects.dedup();
    if !effects.is_empty() {
        return Some(format!("it has side effects: {}", effects.join(", ")));
    }
    let missing = seen.iter().filter_map(|seen| seen.error.as_ref());
    let missing = missing
        .filter(|error| error.class == "ReferenceError")
        .count();
    if missing * 2 > seen.len() {
        return Some("it needs a global that tests do not have".to_owned());
    }
    None
}

/// Why one call is no test; `None` if it may be one.
pub(crate) fn unusable(first: &Seen, second: Option<&Seen>) -> Option<&'static str> {
    if first.is_endless {
        return Some("does not end within a second");
    }
    if first.is_prelude_broken {
        return Some("an earlier call of its sequence fails");
    }
    if second != Some(first) {
        return Some("differs between two processes, time zones, locales or days");
    }
    if first.is_late {
        return Some("does not settle");
    }
    if first.changed.iter().flatten().any(|text| text == "?") {
        return Some("changes an argument into what has no literal");
    }
    match (&first.error, &first.value) {
        (Some(error), _) if error.class.is_empty() => Some("throws what is no error"),
        (Some(error), _) if is_of_the_engine(error) => {
            Some("fails inside of the engine: no input it is meant for")
        }
        (Some(_), _) => None,
        (None, Some(_)) => None,
        (None, None) if first.value_type == "function" => Some("returns a function"),
        (None, None) => Some("returns what has no literal"),
    }
}

/// Parts of the messages of errors that the engine throws by itself.
const ENGINE_PHRASES: [&str; 41] = [
    "Cannot read prop",
    "Cannot set prop",
    "Cannot destructure",
    "Cannot convert",
    "Cannot mix",
    "is not a function",
    "is not iterable",
    "is not defined",
    "is not a constructor",
    "Invalid array length",
    "Invalid time value",
    "Invalid count value",
    "Maximum call stack",
    "Cannot use 'in'",
    "Right-hand side of",
    "must have a 'raw'",
    "Method get ",
    "called on incompatible",
    "called on null or undefined",
    "Reduce of empty array",
    "digits argument",
    "must be between",
    "Invalid regular expression",
    "The first argument must be",
    "Cannot assign to read only",
    "Cannot add property",
    "Invalid code point",
    "Invalid normalization form",
    "The argument ",
    "must be of type",
    "toString() radix",
    "Invalid language tag",
    "Incorrect locale",
    "Cannot access '",
    "not extensible",
    "Iterator value",
    "Cannot delete property",
    "Converting circular",
    "Invalid date",
    "Method ",
    "Invalid string length",
];

/// Whether an error comes from the engine, whose words change with its version, and not from the project.
fn is_of_the_engine(error: &SeenError) -> bool {
    let by_class = matches!(
        error.class.as_str(),
        "ReferenceError" | "SyntaxError" | "URIError" | "InternalError"
    );
    by_class
        || ENGINE_PHRASES
            .iter()
            .any(|phrase| error.message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Seen {
        Seen {
            value: Some(text.to_owned()),
            ..Seen::default()
        }
    }

    fn error(class: &str, message: &str) -> Seen {
        Seen {
            error: Some(SeenError {
                name: class.to_owned(),
                class: class.to_owned(),
                message: message.to_owned(),
            }),
            ..Seen::default()
        }
    }

    #[test]
    fn only_what_is_repeated_and_meant_becomes_a_test() {
        let is_usable = |seen: &Seen| unusable(seen, Some(&seen.clone())).is_none();
        assert!(is_usable(&value("3")));
        assert!(is_usable(&error("TypeError", "expected a text")));
        assert!(!is_usable(&error(
            "TypeError",
            "Cannot read properties of undefined (reading 'x')"
        )));
        assert!(!is_usable(&error("SyntaxError", "Unexpected token")));
        assert!(!is_usable(&Seen::default()));
        assert!(unusable(&value("1"), Some(&value("2"))).is_some());
        assert!(unusable(&value("1"), None).is_some());
    }

    #[test]
    fn functions_with_effects_are_left_alone() {
        let seen = Seen {
            effects: vec!["fs".to_owned(), "fs".to_owned()],
            ..value("1")
        };
        assert_eq!(unfit(&[&seen]).as_deref(), Some("it has side effects: fs"));
        let waiting = Seen {
            effects: vec!["timers".to_owned()],
            is_async: true,
            ..value("1")
        };
        assert_eq!(unfit(&[&waiting]), None);
        let global = error("ReferenceError", "document is not defined");
        assert!(unfit(&[&global, &global]).is_some());
    }
}
