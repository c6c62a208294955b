//! Free-form data: what stands under a name such as `password`, in the member that holds its value, or in the pair of `name`
//! and `value`.

use super::marks;
use super::named::{self, Strength, Style};

pub(super) const RULE: &str = "named-field";

/// How sure a member's name is that its value is a secret. `outer` is how sure the object around it is, by its own name or by
/// the member that names what it holds.
pub(super) fn strength(name: &str, outer: Option<Strength>) -> Option<Strength> {
    let by_object = outer.filter(|_| named::is_value_name(name));
    named::strength(name).max(by_object)
}

/// How sure the value of a member makes its object, as `DB_PASSWORD` does in `{"name": "DB_PASSWORD", "value": ...}`.
pub(super) fn named_by(member: &str, value: &str) -> Option<Strength> {
    if named::is_namer(member) {
        named::strength(value)
    } else {
        None
    }
}

/// The mark in the place of such a value; `None` if it is no secret, or a mark already.
pub(super) fn mark(value: &str, strength: Strength) -> Option<String> {
    if marks::is_mark(value) || !named::is_secret(value, strength, Style::Quoted, 0) {
        return None;
    }
    marks::count(RULE);
    Some(marks::mark(RULE))
}
