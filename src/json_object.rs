//! A JSON object as an argument, or from stdin.

use std::io::Read;

use prost_types::Struct;

use crate::error::CliError;
use crate::output::json;

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
    json::read(text).map_err(|failure| {
        failure
            .while_doing("the value is no JSON object")
            .hint("quote it for the shell: '{\"field\": 1}', or give - and pipe it in")
    })
}
