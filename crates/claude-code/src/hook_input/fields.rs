//! The fields of a hook's input, each read as what it is to be.

use serde_json::Value;

use crate::texts::{MAX_NAME_BYTES, cut};

/// The fields of a hook's input. One of another type is one that is missing.
pub(super) struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    pub(super) fn of(input: &'a Value) -> Self {
        Self(input)
    }

    pub(super) fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    /// An id or a name of at most 200 bytes. A longer one is none: cut, it would be another one's.
    pub(super) fn name(&self, name: &str) -> String {
        let text = self.text(name).trim();
        if text.len() > MAX_NAME_BYTES {
            return String::new();
        }
        text.to_owned()
    }

    /// A text of at most `max` bytes.
    pub(super) fn cut(&self, name: &str, max: usize) -> String {
        cut(self.text(name), max)
    }

    /// A path that can be kept.
    pub(super) fn path(&self, name: &str) -> String {
        let path = self.text(name);
        let is_kept = path.len() <= shim_proto::limits::MAX_PATH_BYTES && !path.contains('\0');
        if is_kept {
            path.to_owned()
        } else {
            String::new()
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_default()
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.get(name).as_u64()
    }
}
