//! A JSON object as an argument, or from stdin.

use std::io::Read;

use prost_types::Struct;
use shim_runtime::free_form;
use shim_runtime::json_text;

use crate::error::CliError;
use crate::output::json;

/// Refuses a number that would come back changed.
///
/// # Errors
/// With its place and the remedy.
pub(crate) fn check_numbers(text: &str) -> Result<(), CliError> {
    match json_text::inexact_number(text.as_bytes()) {
        Some(wrong) => {
            let rule = free_form::number_rule(&wrong.number);
            Err(
                CliError::new(format!("{}: {rule}", wrong.place)).hint(format!(
                    "write \"{}\" instead of {}",
                    wrong.number, wrong.number
                )),
            )
        }
        None => Ok(()),
    }
}

/// Reads an object from the argument, or from stdin if the argument is `-`.
///
/// # Errors
/// If stdin cannot be read, or the text is no JSON object.
pub(crate) fn parse_object(typed: &str) -> Result<Struct, CliError> {
    let mut piped = String::new();
    let text = if typed == "-" {
        std::io::stdin().read_to_string(&mut piped)?;
        piped.as_str()
    } else {
        typed
    };
    check_numbers(text)?;
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
            (r#"{"a": 1e400}"#, "a: is 1e400"),
            (r#"{"a": 1e-400}"#, "a: is 1e-400"),
            (
                r#"{"a": 100000000000000000000000001}"#,
                "a: is 100000000000000000000000001",
            ),
        ] {
            let lines = parse_object(text).unwrap_err().lines();
            assert!(
                lines.contains(place) && lines.contains("as text"),
                "{lines}"
            );
        }
        let cut = parse_object(r#"{"s": "\ud83d"}"#).unwrap();
        assert_eq!(json::free_form(&cut).to_string(), "{\"s\":\"\u{FFFD}\"}");
        let kept = r#"{"a":"1234567890123456789","b":9007199254740991,"c":-0.0,"d":5e-324,"e":1,"f":1e+300}"#;
        assert_eq!(
            json::free_form(&parse_object(kept).unwrap()).to_string(),
            kept
        );
    }
}
