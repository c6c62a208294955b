//! What a tool is: its name, its arguments, its answer, and the function that runs it.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::model::{JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use shim_runtime::auth::Role;

use super::call::{ToolCall, ToolOutput};
use crate::arguments::{self, Parameter};
use crate::tool_error::ToolError;

/// The work of a tool.
pub(super) type Run = fn(&ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>>;

/// One tool.
pub(crate) struct ToolSpec {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it does and when it is of use, under 2 KB.
    pub(super) description: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) hints: Hints,
    /// Offered without a search. Claude Code defers tools behind its tool search, where a model about to lose its
    /// context does not look; so saving and recovering are always there, and the rest does not cost context.
    pub(super) always_load: bool,
    pub(super) outputs: &'static [OutputField],
    pub(super) run: Run,
}

/// The annotations that are not the same for all.
pub(super) struct Hints {
    pub(super) read_only: bool,
    pub(super) destructive: bool,
    pub(super) idempotent: bool,
    pub(super) open_world: bool,
}

/// One field of `structuredContent`.
pub(super) struct OutputField {
    pub(super) name: &'static str,
    /// A type of JSON Schema, or a list: `texts`, `integers` or `objects`.
    kind: &'static str,
    about: &'static str,
}

pub(super) const fn output(
    name: &'static str,
    kind: &'static str,
    about: &'static str,
) -> OutputField {
    OutputField { name, kind, about }
}

impl OutputField {
    fn schema(&self) -> Value {
        let items = match self.kind {
            "texts" => "string",
            "integers" => "integer",
            "objects" => "object",
            kind => return json!({"type": kind, "description": self.about}),
        };
        json!({"type": "array", "description": self.about, "items": {"type": items}})
    }
}

impl ToolSpec {
    /// The tool's name, which is one of six: fit for a metric's label.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The role a caller needs.
    pub(crate) fn required_role(&self) -> Role {
        if self.hints.read_only {
            Role::Read
        } else {
            Role::Write
        }
    }

    /// The definition for `tools/list`.
    pub(crate) fn definition(&self) -> Tool {
        let annotations = ToolAnnotations::with_title(self.title)
            .read_only(self.hints.read_only)
            .destructive(self.hints.destructive)
            .idempotent(self.hints.idempotent)
            .open_world(self.hints.open_world);
        let tool = Tool::new(
            self.name,
            self.description,
            arguments::schema(self.parameters),
        )
        .with_title(self.title)
        .with_raw_output_schema(Arc::new(output_schema(self.outputs)))
        .with_annotations(annotations);
        if !self.always_load {
            return tool;
        }
        let mut meta = Map::new();
        meta.insert("anthropic/alwaysLoad".to_owned(), true.into());
        tool.with_meta(MetaObject(meta))
    }
}

/// Nothing is required: what is unset is left out, and some clients hold failures against the schema, too. Each type is one
/// word and each list says what it holds, since dialects of other vendors know no more.
fn output_schema(outputs: &[OutputField]) -> JsonObject {
    let mut properties = Map::new();
    for output in outputs {
        properties.insert(output.name.to_owned(), output.schema());
    }
    let shared = json!({
        "session_id": {"type": "string", "description": "The session this call was about, if there is one."},
        "next_step": {"type": "string", "description": "What can be done now."},
        "notices": {
            "type": "array",
            "items": {"type": "object"},
            "description": "News of the session since the last call, if there is any: kind, text, at. A message from another \
                session or worker also has message_id, from and perhaps data.",
        },
        "error": {
            "type": "object",
            "description": "Only if nothing was done: reason, message, fields, next_step.",
        },
    });
    if let Value::Object(shared) = shared {
        properties.extend(shared);
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema
}
