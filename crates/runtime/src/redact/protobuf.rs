//! Redaction of an encoded message: each text is redacted in place, all other bytes stay.
//!
//! It decodes nothing into memory but the texts it replaces, so that a large message costs no more than its own size.
//! Bytes that it cannot read stay as they are: the decoder behind it reads with the same functions and refuses them.

use std::borrow::Cow;
use std::fmt;

use bytes::Buf;
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use tonic::Status;

use super::names::{self, Around};
use super::rules::MessageWords;
use super::{arguments, text};
use crate::service_error::Violations;

/// Deeper messages are refused by the decoder, which stops at 100.
const MAX_DEPTH: usize = 200;

/// What happens to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// It is taken out of a text, and refused in a name.
    Redact,
    /// It is refused everywhere.
    Refuse,
}

impl Policy {
    /// What a refusal says.
    const fn rule(self) -> &'static str {
        match self {
            Self::Redact => "looks like a secret: passwords, tokens and keys are never stored",
            Self::Refuse => {
                "looks like a secret, and what its hash seals cannot be changed: export the other sessions without this one"
            }
        }
    }
}

/// Texts that name something. One that was changed would name something else, and two secrets would become one name.
const NAMES: [&str; 23] = [
    "request_id",
    "id",
    "namespace",
    "key",
    "key_prefix",
    "remove",
    "name",
    "owner",
    "holder",
    "except_holder",
    "writer",
    "workspace",
    "patterns",
    "channel",
    "channels",
    "inbox",
    "capability",
    "capabilities",
    "depends_on",
    "kind",
    "executor",
    "task_key",
    "closed_tasks",
];

/// Opaque, made by a service and never stored.
const CURSORS: [&str; 2] = ["page_token", "after_cursor"];

/// The message without its secrets; `None` if it has none. `words` are those of this very message.
///
/// # Errors
/// INVALID_ARGUMENT naming every field that must not hold one, without saying what it holds.
pub(super) fn redact_message(
    message: &[u8],
    words: &MessageWords<'_>,
    descriptor: &MessageDescriptor,
    policy: Policy,
) -> Result<Option<Vec<u8>>, Status> {
    let mut redactor = MessageRedactor {
        words,
        policy,
        refused: Violations::default(),
    };
    let redacted = redactor.message(message, descriptor, &FieldPath::root());
    redactor.refused.finish()?;
    Ok(redacted.unwrap_or_default())
}

/// The message ends too early, or is none.
#[derive(Debug)]
struct MalformedMessage;

impl From<DecodeError> for MalformedMessage {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// Where in the message the walk is.
struct FieldPath<'a> {
    parent: Option<&'a FieldPath<'a>>,
    name: &'a str,
    depth: usize,
    around: Option<Around>,
}

impl<'a> FieldPath<'a> {
    fn root() -> Self {
        Self {
            parent: None,
            name: "",
            depth: 0,
            around: None,
        }
    }

    fn inside(&'a self, name: &'a str, around: Option<Around>) -> Self {
        Self {
            parent: Some(self),
            name,
            depth: self.depth + 1,
            around,
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            Some(parent) if parent.parent.is_some() => write!(f, "{parent}.{}", self.name),
            _ => f.write_str(self.name),
        }
    }
}

/// A copy of a message whose fields are added in their order; it is made once one of them is replaced.
struct RedactedCopy<'a> {
    original: &'a [u8],
    redacted: Option<Vec<u8>>,
}

impl<'a> RedactedCopy<'a> {
    const fn of(original: &'a [u8]) -> Self {
        Self {
            original,
            redacted: None,
        }
    }

    /// Adds another content for the field that `rest` of the original begins with.
    fn replace(&mut self, rest: &[u8], (number, wire): (u32, WireType), content: &[u8]) {
        let before = &self.original[..self.original.len() - rest.len()];
        let redacted = self.redacted.get_or_insert_with(|| before.to_vec());
        encode_key(number, wire, redacted);
        encode_varint(content.len() as u64, redacted);
        redacted.extend_from_slice(content);
    }

    /// Adds a field as it is.
    fn keep(&mut self, field: &[u8]) {
        if let Some(redacted) = &mut self.redacted {
            redacted.extend_from_slice(field);
        }
    }
}

struct MessageRedactor<'a> {
    words: &'a MessageWords<'a>,
    policy: Policy,
    refused: Violations,
}

impl MessageRedactor<'_> {
    /// The message without its secrets, or `None` if nothing changed.
    fn message(
        &mut self,
        bytes: &[u8],
        descriptor: &MessageDescriptor,
        path: &FieldPath<'_>,
    ) -> Result<Option<Vec<u8>>, MalformedMessage> {
        if path.depth > MAX_DEPTH {
            return Ok(None);
        }
        let around = around(bytes, descriptor, path)?;
        let mut arguments = arguments_of(bytes, descriptor)?.into_iter();
        let mut copy = RedactedCopy::of(bytes);
        let mut rest = bytes;
        while rest.has_remaining() {
            let start = rest;
            let (number, wire) = decode_key(&mut rest)?;
            let field = descriptor.get_field(number);
            let replaced = match field {
                Some(field) if wire == WireType::LengthDelimited => {
                    let content = content(&mut rest)?;
                    let path = path.inside(field.name(), around);
                    match arguments.next().flatten() {
                        Some(clean) => self.argument(&clean, &path),
                        None => self.field(content, &field, &path)?,
                    }
                }
                _ => {
                    skip_field(wire, number, &mut rest, DecodeContext::default())?;
                    None
                }
            };
            match replaced {
                Some(content) => copy.replace(start, (number, wire), &content),
                None => copy.keep(&start[..start.len() - rest.len()]),
            }
        }
        Ok(copy.redacted)
    }

    /// What stands for the content of a field, or `None` if it stays.
    fn field(
        &mut self,
        content: &[u8],
        field: &FieldDescriptor,
        path: &FieldPath<'_>,
    ) -> Result<Option<Vec<u8>>, MalformedMessage> {
        match field.kind() {
            Kind::Message(inner) => self.message(content, &inner, path),
            Kind::String => Ok(std::str::from_utf8(content)
                .ok()
                .and_then(|text| self.text(text, field, path))),
            _ => Ok(None),
        }
    }

    /// The value that stands for an item of a list of words, or `None` if it stays.
    fn argument(&mut self, clean: &str, path: &FieldPath<'_>) -> Option<Vec<u8>> {
        if self.policy == Policy::Refuse {
            self.refused.add(path.to_string(), self.policy.rule());
            return None;
        }
        let mut value = Vec::with_capacity(clean.len() + 8);
        encode_key(STRING_VALUE, WireType::LengthDelimited, &mut value);
        encode_varint(clean.len() as u64, &mut value);
        value.extend_from_slice(clean.as_bytes());
        Some(value)
    }

    fn text(
        &mut self,
        text: &str,
        field: &FieldDescriptor,
        path: &FieldPath<'_>,
    ) -> Option<Vec<u8>> {
        let parent = field.parent_message();
        let by_name = path.around.filter(|_| parent.full_name() == VALUE);
        let redacted = match by_name.and_then(|around| names::mark(text, around.strength)) {
            Some(mark) => mark,
            None => match text::text_by(text, self.words.candidates(text)) {
                Cow::Owned(redacted) => redacted,
                Cow::Borrowed(_) => return None,
            },
        };
        let name = field.name();
        let is_free_form = parent.package_name() == "google.protobuf";
        if CURSORS.contains(&name) {
            return None;
        }
        let is_name = !is_free_form
            && (NAMES.contains(&name) || name.ends_with("_id") || name.ends_with("_ids"));
        if is_name || self.policy == Policy::Refuse {
            self.refused.add(path.to_string(), self.policy.rule());
            return None;
        }
        Some(redacted.into_bytes())
    }
}

const VALUE: &str = "google.protobuf.Value";

/// How sure the names above the texts of this message are, and its own ones.
fn around(
    bytes: &[u8],
    descriptor: &MessageDescriptor,
    path: &FieldPath<'_>,
) -> Result<Option<Around>, MalformedMessage> {
    match descriptor.full_name() {
        "google.protobuf.Struct" => Ok(named_by(bytes)?.or(path.around)),
        "google.protobuf.Struct.FieldsEntry" => {
            let name = text_of(bytes, NAME)?.unwrap_or_default();
            Ok(names::around(name, path.around))
        }
        _ => Ok(path.around),
    }
}

/// What stands for the items of a list of words that hold a secret, in their order; nothing for any other message.
fn arguments_of(
    mut bytes: &[u8],
    descriptor: &MessageDescriptor,
) -> Result<Vec<Option<String>>, MalformedMessage> {
    let mut texts = Vec::new();
    if descriptor.full_name() != "google.protobuf.ListValue" {
        return Ok(Vec::new());
    }
    while bytes.has_remaining() {
        let (number, wire) = decode_key(&mut bytes)?;
        if wire != WireType::LengthDelimited {
            skip_field(wire, number, &mut bytes, DecodeContext::default())?;
            continue;
        }
        let item = content(&mut bytes)?;
        if descriptor.get_field(number).is_some() {
            texts.push(text_of(item, STRING_VALUE)?);
        }
    }
    Ok(arguments::redacted(&texts))
}

/// Numbers of fields: of an entry of an object, and of a value that is a text.
const NAME: u32 = 1;
const ENTRY_VALUE: u32 = 2;
const STRING_VALUE: u32 = 3;

/// How sure the member of an object is that names what another one holds.
fn named_by(mut object: &[u8]) -> Result<Option<Around>, MalformedMessage> {
    let mut around = None;
    while object.has_remaining() {
        let (number, wire) = decode_key(&mut object)?;
        if wire != WireType::LengthDelimited {
            skip_field(wire, number, &mut object, DecodeContext::default())?;
            continue;
        }
        let entry = content(&mut object)?;
        let value = bytes_of(entry, ENTRY_VALUE)?.unwrap_or_default();
        if let (Some(name), Some(text)) = (text_of(entry, NAME)?, text_of(value, STRING_VALUE)?) {
            around = around.max(names::named_by(name, text));
        }
    }
    Ok(around)
}

/// The text of a field, wherever it stands; `None` if there is none.
fn text_of(message: &[u8], field: u32) -> Result<Option<&str>, MalformedMessage> {
    let bytes = bytes_of(message, field)?;
    Ok(bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()))
}

fn bytes_of(mut message: &[u8], field: u32) -> Result<Option<&[u8]>, MalformedMessage> {
    let mut found = None;
    while message.has_remaining() {
        let (number, wire) = decode_key(&mut message)?;
        if (number, wire) == (field, WireType::LengthDelimited) {
            found = Some(content(&mut message)?);
        } else {
            skip_field(wire, number, &mut message, DecodeContext::default())?;
        }
    }
    Ok(found)
}

/// The content of a length-delimited field.
fn content<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], MalformedMessage> {
    let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    let (content, behind) = rest.split_at_checked(length).ok_or(MalformedMessage)?;
    *rest = behind;
    Ok(content)
}
