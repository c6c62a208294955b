//! The merge of the data of results: listed one after the other, or joined field by field.
//!
//! (A) Merged data can be decoded by a client: a join adds no depth, and a list refuses data that would be too deep in it.
//! (B) Merged data is never larger than [`MAX_BYTES`]. (C) Where a field has one kind in all results, a join is associative
//! and loses no field and no item of a list.

use std::collections::btree_map::Entry;

use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use shim_proto::limits::MAX_FREE_FORM_DEPTH;

/// The largest data of a merged result, encoded.
const MAX_BYTES: usize = 2 << 20;
/// The deepest data in a list: the list adds two levels.
const MAX_LEVELS: usize = MAX_FREE_FORM_DEPTH - 2;
/// The field that holds listed data.
const RESULTS: &str = "results";

/// The data of a merged result under construction.
#[derive(Debug)]
pub(super) struct Data {
    layout: DataLayout,
    bytes: usize,
    count: usize,
}

#[derive(Debug)]
enum DataLayout {
    /// A list with one item for each result.
    Listed(Vec<Value>),
    /// One object with the fields of all results.
    Joined(Struct),
}

impl Data {
    /// Empty data that becomes a list.
    pub(super) fn listed() -> Self {
        Self::of(DataLayout::Listed(Vec::new()))
    }

    /// Empty data that becomes one object.
    pub(super) fn joined() -> Self {
        Self::of(DataLayout::Joined(Struct::default()))
    }

    fn of(layout: DataLayout) -> Self {
        Self {
            layout,
            bytes: 0,
            count: 0,
        }
    }

    /// Adds an object; returns whether it fitted.
    pub(super) fn add(&mut self, object: Struct) -> bool {
        // Either layout costs at most 16 bytes for each object beside its own encoding.
        let bytes = self.bytes + object.encoded_len() + 16;
        if bytes > MAX_BYTES {
            return false;
        }
        match &mut self.layout {
            DataLayout::Listed(_) if levels(&object) > MAX_LEVELS => return false,
            DataLayout::Listed(values) => values.push(Value {
                kind: Some(Kind::StructValue(object)),
            }),
            DataLayout::Joined(whole) => join(whole, object),
        }
        self.bytes = bytes;
        self.count += 1;
        true
    }

    /// The merged data; `None` if no object was added.
    pub(super) fn finish(self) -> Option<Struct> {
        if self.count == 0 {
            return None;
        }
        Some(match self.layout {
            DataLayout::Joined(whole) => whole,
            DataLayout::Listed(values) => {
                let list = Value {
                    kind: Some(Kind::ListValue(ListValue { values })),
                };
                Struct {
                    fields: [(RESULTS.to_owned(), list)].into(),
                }
            }
        })
    }
}

fn levels(object: &Struct) -> usize {
    1 + object.fields.values().map(levels_of).max().unwrap_or(0)
}

fn levels_of(value: &Value) -> usize {
    match &value.kind {
        Some(Kind::StructValue(object)) => levels(object),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(levels_of).max().unwrap_or(0),
        _ => 0,
    }
}

/// Joins an object into another: objects field by field, lists by appending; of two other values the later one wins.
fn join(whole: &mut Struct, later: Struct) {
    for (name, value) in later.fields {
        match whole.fields.entry(name) {
            Entry::Vacant(free) => {
                free.insert(value);
            }
            Entry::Occupied(mut taken) => join_value(taken.get_mut(), value),
        }
    }
}

fn join_value(whole: &mut Value, later: Value) {
    match (&mut whole.kind, later.kind) {
        (Some(Kind::StructValue(object)), Some(Kind::StructValue(later))) => join(object, later),
        (Some(Kind::ListValue(list)), Some(Kind::ListValue(later))) => {
            list.values.extend(later.values);
        }
        (kind, later) => *kind = later,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use shim_proto::coordination::v1::{AggregateResultsResponse, TaskResult};

    use super::*;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn text(text: &str) -> Value {
        value(Kind::StringValue(text.to_owned()))
    }

    fn list(items: &[&str]) -> Value {
        let values = items.iter().map(|item| text(item)).collect();
        value(Kind::ListValue(ListValue { values }))
    }

    fn inner(object: Struct) -> Value {
        value(Kind::StructValue(object))
    }

    fn object(fields: &[(&str, Value)]) -> Struct {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Struct {
            fields: fields.collect(),
        }
    }

    fn in_one(objects: &[Struct]) -> Struct {
        let mut data = Data::joined();
        for object in objects {
            assert!(data.add(object.clone()));
        }
        data.finish().unwrap()
    }

    #[test]
    fn listed_data_stays_apart() {
        let (a, b) = (object(&[("n", text("1"))]), object(&[("n", text("2"))]));
        let mut data = Data::listed();
        assert!(data.add(a.clone()) && data.add(b.clone()));
        let values = vec![inner(a), inner(b)];
        let both = value(Kind::ListValue(ListValue { values }));
        assert_eq!(data.finish(), Some(object(&[("results", both)])));
        assert_eq!(Data::listed().finish(), None);
    }

    #[test]
    fn joined_data_is_joined_field_by_field() {
        let early = object(&[
            ("files", list(&["a"])),
            ("count", text("1")),
            ("by", inner(object(&[("x", text("1"))]))),
        ]);
        let late = object(&[
            ("files", list(&["b", "a"])),
            ("count", text("2")),
            ("by", inner(object(&[("y", text("2"))]))),
        ]);
        let by = object(&[("x", text("1")), ("y", text("2"))]);
        let expected = object(&[
            ("files", list(&["a", "b", "a"])),
            ("count", text("2")),
            ("by", inner(by)),
        ]);
        assert_eq!(in_one(&[early, late]), expected);
    }

    #[test]
    fn data_that_does_not_fit_is_reported() {
        let large = object(&[("x", text(&"x".repeat(MAX_BYTES / 3)))]);
        for mut data in [Data::listed(), Data::joined()] {
            let fits: Vec<_> = (0..4).map(|_| data.add(large.clone())).collect();
            assert_eq!(fits, [true, true, false, false]);
            assert!(data.finish().unwrap().encoded_len() <= MAX_BYTES);
        }
    }

    #[test]
    fn the_deepest_data_in_a_list_can_be_decoded() {
        let mut deep = object(&[("in", text("end"))]);
        for _ in 1..MAX_LEVELS {
            deep = object(&[("in", inner(deep))]);
        }
        let mut data = Data::listed();
        assert!(data.add(deep.clone()));
        assert!(!data.add(object(&[("in", inner(deep))])));
        let answer = AggregateResultsResponse {
            result: Some(TaskResult {
                data: data.finish(),
                ..TaskResult::default()
            }),
            ..Default::default()
        };
        let read = AggregateResultsResponse::decode(answer.encode_to_vec().as_slice());
        assert_eq!(read.unwrap(), answer);
    }

    /// Objects in which a field always has one kind, given by its first letter.
    fn any_object() -> impl Strategy<Value = Struct> {
        let empty = Just(Struct::default()).boxed();
        empty.prop_recursive(3, 24, 4, |within| {
            let items = prop::collection::vec("[a-c]{1,2}", 0..4);
            let listed =
                |items: Vec<String>| list(&items.iter().map(String::as_str).collect::<Vec<_>>());
            let field = prop_oneof![
                ("s[ab]", "[a-c]{0,3}".prop_map(|word| text(&word))),
                ("l[ab]", items.prop_map(listed)),
                ("o[ab]", within.prop_map(inner)),
            ];
            let fields = prop::collection::vec(field, 0..4);
            fields.prop_map(|fields| Struct {
                fields: fields.into_iter().collect(),
            })
        })
    }

    /// The number of values at the end of each path: the items of a list, or one.
    fn ends(object: &Struct, path: &str, out: &mut BTreeMap<String, usize>) {
        for (name, value) in &object.fields {
            let path = format!("{path}/{name}");
            match &value.kind {
                Some(Kind::StructValue(inner)) => ends(inner, &path, out),
                Some(Kind::ListValue(list)) => {
                    out.insert(path, list.values.len());
                }
                _ => {
                    out.insert(path, 1);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_join_is_associative(
            a in any_object(), b in any_object(), c in any_object(),
        ) {
            let left = in_one(&[in_one(&[a.clone(), b.clone()]), c.clone()]);
            let right = in_one(&[a, in_one(&[b, c])]);
            prop_assert_eq!(left, right);
        }

        #[test]
        fn a_join_keeps_every_field_and_every_item(a in any_object(), b in any_object()) {
            let ends_of = |object: &Struct| {
                let mut all = BTreeMap::new();
                ends(object, "", &mut all);
                all
            };
            let whole = ends_of(&in_one(&[a.clone(), b.clone()]));
            let (a, b) = (ends_of(&a), ends_of(&b));
            for path in a.keys().chain(b.keys()) {
                let is_list = path.rsplit('/').next().unwrap().starts_with('l');
                let both = a.get(path).unwrap_or(&0) + b.get(path).unwrap_or(&0);
                prop_assert_eq!(whole[path], if is_list { both } else { 1 });
            }
        }
    }
}
