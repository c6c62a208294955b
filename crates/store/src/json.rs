//! JSON as free-form data: publications and jobs are JSON, so that any program can read and make them.

use prost_types::Struct;
use serde_json::{Map, Value as Json};
use shim_runtime::free_form;

/// A JSON object as a `Struct`. Only other programs write what a client could not decode, or numbers that a double would
/// change: that becomes its JSON text.
pub(super) fn to_struct(object: &Map<String, Json>) -> Struct {
    free_form::from_foreign_json(object)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use prost_types::value::Kind;
    use prost_types::{ListValue, Value};
    use shim_proto::limits::MAX_FREE_FORM_DEPTH as MAX_DEPTH;

    use super::*;

    fn any_object() -> impl Strategy<Value = Struct> {
        let leaf = prop_oneof![
            Just(Kind::NullValue(0)),
            any::<bool>().prop_map(Kind::BoolValue),
            any::<f64>()
                .prop_filter("the services refuse others", |number| free_form::is_exact(
                    *number
                ))
                .prop_map(Kind::NumberValue),
            any::<i32>().prop_map(|number| Kind::NumberValue(f64::from(number))),
            any::<String>().prop_map(Kind::StringValue),
        ];
        let value = |kind: BoxedStrategy<Kind>| kind.prop_map(|kind| Value { kind: Some(kind) });
        let kind = leaf.prop_recursive(6, 64, 6, move |inner| {
            let inner = value(inner);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6)
                    .prop_map(|values| Kind::ListValue(ListValue { values })),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|fields| Kind::StructValue(Struct { fields })),
            ]
        });
        prop::collection::btree_map(any::<String>(), value(kind.boxed()), 0..6)
            .prop_map(|fields| Struct { fields })
    }

    fn bits(object: &Struct) -> String {
        // `Debug` tells -0 from 0 and every double from its neighbours; `==` does not.
        format!("{object:?}")
    }

    proptest! {
        #[test]
        fn data_comes_back_as_it_was(object in any_object()) {
            let text = Json::Object(free_form::to_json(&object)).to_string();
            let read: Map<String, Json> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(bits(&to_struct(&read)), bits(&object));
        }
    }

    #[test]
    fn what_is_too_deep_for_a_client_is_a_text() {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
        let object: Map<String, Json> = serde_json::from_str(&deep).unwrap();
        let mut value = &to_struct(&object).fields["a"];
        let mut lists = 0;
        while let Some(Kind::ListValue(list)) = &value.kind {
            value = &list.values[0];
            lists += 1;
        }
        assert_eq!(lists, MAX_DEPTH - 1);
        let rest = "[".repeat(9) + "1" + &"]".repeat(9);
        assert_eq!(value.kind, Some(Kind::StringValue(rest)));
    }
}
