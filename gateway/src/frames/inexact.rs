//! Numbers of a call's arguments that a double would change. They are found in the message's text: once it is read, the
//! digits are gone.

use http::request::Parts;
use rmcp::model::Extensions;
use shim_runtime::json_text::{self, InexactNumber};

/// Where the arguments of a tool stand in a message.
const ARGUMENTS: &str = "params.arguments.";

/// Such numbers, with their places within the arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct InexactNumbers(pub(crate) Vec<InexactNumber>);

impl InexactNumbers {
    /// Those of a message; `None` if it has none.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let found = json_text::inexact_numbers(message);
        let within = |found: InexactNumber| {
            let place = found.place.strip_prefix(ARGUMENTS)?.to_owned();
            Some(InexactNumber { place, ..found })
        };
        let found: Vec<_> = found.into_iter().filter_map(within).collect();
        (!found.is_empty()).then_some(Self(found))
    }

    /// Those of the request that these extensions came with, over stdio or HTTP.
    pub(crate) fn of_request(extensions: &Extensions) -> Self {
        let of_parts = || extensions.get::<Parts>()?.extensions.get::<Self>();
        let found = extensions.get::<Self>().or_else(of_parts);
        found.cloned().unwrap_or_default()
    }
}
