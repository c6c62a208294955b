//! Free-form data: what stands under a name such as `password`, in the member that holds its value, or in the pair of `name`
//! and `value`.

use super::marks;
use super::named::{self, Strength, Style};

pub(super) const RULE: &str = "named-field";

/// How sure the names around a value are that it is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Around {
    pub(super) strength: Strength,
    /// Whether all is meant that the object holds, and not its value alone.
    is_of_all: bool,
}

/// How sure a member's name is that its value is a secret. `outer` is how sure the object around it is, by its own name or by
/// the member that names what it holds.
pub(super) fn around(name: &str, outer: Option<Around>) -> Option<Around> {
    let own = named::strength(name).map(|strength| Around {
        strength,
        is_of_all: true,
    });
    let by_object = outer.and_then(|outer| match named::is_value_name(name) {
        true => Some(outer),
        false => Some(Around {
            strength: named::member_strength(name, outer.strength).filter(|_| outer.is_of_all)?,
            ..outer
        }),
    });
    own.max(by_object)
}

/// How sure the value of a member makes its object, as `DB_PASSWORD` does in `{"name": "DB_PASSWORD", "value": ...}`.
pub(super) fn named_by(member: &str, value: &str) -> Option<Around> {
    let strength = named::strength(value).filter(|_| named::is_namer(member))?;
    Some(Around {
        strength,
        is_of_all: false,
    })
}

/// The mark in the place of such a value; `None` if it is no secret, or a mark already.
pub(super) fn mark(value: &str, strength: Strength) -> Option<String> {
    if marks::is_mark(value) || !named::is_secret(value, strength, Style::Quoted, 0) {
        return None;
    }
    marks::count(RULE);
    Some(marks::mark(RULE))
}
