//! A JSON object as an argument, or from stdin.

use prost_types::Struct;
use shim_runtime::data_dir::{OpenError, read_bounded};
use shim_runtime::json_text::{self, LossKind};

use crate::error::CliError;
use crate::output::json;

/// Refuses what would come back changed: a number that a double does not hold, and a name that is given twice. `field` is
/// what the text was given as; empty for a file.
///
/// # Errors
/// With its place and the remedy.
pub(crate) fn check_losses(field: &str, text: &str) -> Result<(), CliError> {
    let Some(loss) = json_text::first_loss(text.as_bytes()) else {
        return Ok(());
    };
    let place = match (field, loss.place.as_str()) {
        ("", "") => "the value".to_owned(),
        ("", place) => place.to_owned(),
        (field, "") => field.to_owned(),
        (field, place) if place.starts_with('[') => format!("{field}{place}"),
        (field, place) => format!("{field}.{place}"),
    };
    let error = CliError::new(format!("{place}: {}", loss.rule()));
    Err(match &loss.kind {
        LossKind::Number(number) => error.hint(format!("write \"{number}\" instead of {number}")),
        LossKind::Repeated => error.hint("leave one of them out, or give it another name"),
    })
}

/// JSON writes a byte of a value in up to six (`\u0001`).
const TEXT_BYTES_PER_BYTE: usize = 6;

/// Reads the JSON of something that has at most `limit` bytes encoded, and no text that is too long for it.
///
/// # Errors
/// If it cannot be read, or there is more.
pub(crate) fn read_stdin(limit: usize) -> Result<String, CliError> {
    let failed = |why: OpenError| match why {
        OpenError::TooLarge(_) => too_large("what stdin gives", limit),
        other => CliError::new(format!("cannot read stdin: {other}")),
    };
    let text = read_bounded(std::io::stdin(), text_limit(limit)).map_err(failed)?;
    String::from_utf8(text).map_err(|_| failed(OpenError::Encoding))
}

/// As many bytes as the JSON of something with `limit` bytes may take.
pub(crate) fn text_limit(limit: usize) -> u64 {
    (limit * TEXT_BYTES_PER_BYTE) as u64
}

/// `what` has more than the JSON of something with `limit` bytes takes.
pub(crate) fn too_large(what: &str, limit: usize) -> CliError {
    CliError::new(format!("{what} is too large: the limit is {limit} bytes"))
}

/// Reads an object from the argument `field`, or from stdin if the argument is `-`; `limit` is that of its field.
///
/// # Errors
/// If stdin cannot be read, or the text is no JSON object.
pub(crate) fn parse_object(field: &str, typed: &str, limit: usize) -> Result<Struct, CliError> {
    let piped;
    let text = if typed == "-" {
        piped = read_stdin(limit)?;
        piped.as_str()
    } else {
        typed
    };
    check_losses(field, text)?;
    json::read(text).map_err(|failure| {
        failure
            .while_doing("the value is no JSON object")
            .hint("quote it for the shell: '{\"field\": 1}', or give - and pipe it in")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_that_would_change_is_refused_with_its_place_and_the_remedy() {
        for (text, place) in [
            (
                r#"{"id": 1234567890123456789}"#,
                "id: is 1234567890123456789",
            ),
            (
                r#"{"a": [1, {"b": -9007199254740993}]}"#,
                "a[1].b: is -9007199254740993",
            ),
            ("1234567890123456789", "value: is 1234567890123456789"),
            ("[1e999]", "value[0]: is 1e999"),
            (
                r#"{"a": 0.1234567890123456789}"#,
                "value.a: is 0.1234567890123456789",
            ),
            (r#"{"a": 1e400}"#, "a: is 1e400"),
            (r#"{"a": 1e-400}"#, "a: is 1e-400"),
            (
                r#"{"a": 100000000000000000000000001}"#,
                "a: is 100000000000000000000000001",
            ),
        ] {
            let lines = parse_object("value", text, 1).unwrap_err().lines();
            assert!(
                lines.contains(place) && lines.contains("as text"),
                "{lines}"
            );
        }
        let cut = parse_object("value", r#"{"s": "\ud83d"}"#, 1).unwrap();
        assert_eq!(json::free_form(&cut).to_string(), "{\"s\":\"\u{FFFD}\"}");
        let twice = parse_object("value", r#"{"a":{"b":1,"b":2}}"#, 1).unwrap_err();
        let lines = twice.lines();
        assert!(lines.contains("value.a.b: is given twice"), "{lines}");
        let kept = r#"{"a":"1234567890123456789","b":9007199254740991,"c":-0.0,"d":5e-324,"e":1,"f":1e+300}"#;
        assert_eq!(
            json::free_form(&parse_object("value", kept, 1).unwrap()).to_string(),
            kept
        );
    }
}
