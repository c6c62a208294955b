//! What reading a call loses without a word: numbers of its arguments that a double would change, and names that are given
//! twice. They are found in the message's text: once it is read, they are gone.

use http::request::Parts;
use rmcp::model::{ClientJsonRpcMessage, Extensions, GetExtensions};
use shim_runtime::json_text::{self, Loss, LossKind};

/// Where the arguments of a tool stand in a message.
const ARGUMENTS: &str = "params.arguments.";
/// Fields of a call that have one meaning each.
const FIELDS_OF_A_CALL: [&str; 4] = ["method", "params", "params.name", "params.arguments"];

/// Such losses, with their places within the arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Losses(pub(crate) Vec<Loss>);

impl Losses {
    /// Those of a message; `None` if it has none.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let found = json_text::losses(message);
        let within = |found: Loss| match found.place.strip_prefix(ARGUMENTS) {
            Some(place) => Some(Loss {
                place: place.to_owned(),
                ..found
            }),
            None => {
                let is_of_the_call = FIELDS_OF_A_CALL.contains(&found.place.as_str());
                (is_of_the_call && found.kind == LossKind::Repeated).then_some(found)
            }
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

/// A message that knows what reading its text lost.
pub(super) fn with_losses(mut message: ClientJsonRpcMessage, text: &[u8]) -> ClientJsonRpcMessage {
    if let ClientJsonRpcMessage::Request(call) = &mut message
        && let Some(losses) = Losses::of(text)
    {
        call.request.extensions_mut().insert(losses);
    }
    message
}
