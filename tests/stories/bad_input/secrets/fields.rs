//! Every field of a request that a text fits into, found in the contract's descriptors.

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use prost_types::value::Kind as Free;
use prost_types::{ListValue, Struct, Value as FreeValue};

const STRUCT: &str = "google.protobuf.Struct";
const MAX_DEPTH: usize = 5;

/// The way to a field, from the request down.
pub(crate) type FieldPath = Vec<FieldDescriptor>;

/// The ways to all fields that hold text.
pub(crate) fn field_paths(message: &MessageDescriptor) -> Vec<FieldPath> {
    let mut found = Vec::new();
    descend(message, &mut Vec::new(), &mut found);
    found
}

fn descend(message: &MessageDescriptor, field_path: &mut FieldPath, found: &mut Vec<FieldPath>) {
    if field_path.len() > MAX_DEPTH {
        return;
    }
    for field in message.fields() {
        field_path.push(field.clone());
        match field.kind() {
            Kind::String => found.push(field_path.clone()),
            Kind::Message(inner) if inner.full_name() == STRUCT => found.push(field_path.clone()),
            Kind::Message(inner) => descend(&inner, field_path, found),
            _ => {}
        }
        field_path.pop();
    }
}

/// As violations name it, but for the places in lists.
pub(crate) fn name(field_path: &FieldPath) -> String {
    let names: Vec<_> = field_path
        .iter()
        .map(|field| field.name().to_owned())
        .collect();
    names.join(".")
}

/// Puts a text there, and `under_a_name` under the name `password` where data is free-form.
pub(crate) fn put(
    message: &mut DynamicMessage,
    field_path: &[FieldDescriptor],
    text: &str,
    under_a_name: &str,
) {
    let (field, rest) = field_path.split_first().unwrap();
    if rest.is_empty() {
        message.set_field(field, value(field, text, under_a_name));
        return;
    }
    let Kind::Message(inner) = field.kind() else {
        unreachable!("a way leads through messages")
    };
    match message.get_field_mut(field) {
        Value::Message(inner) => put(inner, rest, text, under_a_name),
        Value::List(items) => {
            if items.is_empty() {
                items.push(Value::Message(DynamicMessage::new(inner)));
            }
            let Some(Value::Message(first)) = items.first_mut() else {
                unreachable!("a list of messages")
            };
            put(first, rest, text, under_a_name);
        }
        other => unreachable!("{other:?}"),
    }
}

fn value(field: &FieldDescriptor, text: &str, under_a_name: &str) -> Value {
    let single = match field.kind() {
        Kind::Message(shape) => {
            let free = free_form(text, under_a_name).encode_to_vec();
            Value::Message(DynamicMessage::decode(shape, free.as_slice()).unwrap())
        }
        _ => Value::String(text.to_owned()),
    };
    if field.is_list() {
        Value::List(vec![single])
    } else {
        single
    }
}

/// The text as a value, in a list and deeper down.
fn free_form(text: &str, under_a_name: &str) -> Struct {
    let of = |kind| FreeValue { kind: Some(kind) };
    let string = |text: &str| of(Free::StringValue(text.to_owned()));
    let list = ListValue {
        values: vec![string(text)],
    };
    let inner = Struct {
        fields: [("note".to_owned(), string(text))].into(),
    };
    let fields = [
        ("text", string(text)),
        ("list", of(Free::ListValue(list))),
        ("inner", of(Free::StructValue(inner))),
        ("password", string(under_a_name)),
    ];
    Struct {
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}
