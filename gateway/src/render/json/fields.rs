//! The fields of a JSON answer: free-form data, and texts and lists that are left out when they are empty.

use prost_types::Struct;
use serde_json::Value;
use shim_runtime::free_form;

/// Free-form data as the JSON it stands for.
pub(crate) fn object(data: &Struct) -> Value {
    free_form::to_json(data).into()
}

/// Sets a text unless it is empty.
pub(super) fn set_if(value: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        value[name] = text.into();
    }
}

/// Sets a list unless it is empty.
pub(super) fn set_list(value: &mut Value, name: &str, list: &[String]) {
    if !list.is_empty() {
        value[name] = list.into();
    }
}
