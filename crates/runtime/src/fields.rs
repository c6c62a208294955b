//! The rules of single fields that every service shares, checked before anything else is done.
//!
//! One refusal names all wrong fields of a request. Services add the rules of their own messages around [`Fields`].

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Duration as ProtoDuration, Struct, Value};
use shim_proto::limits::{MAX_FREE_FORM_DEPTH, MAX_REQUEST_ID_BYTES};
use shim_render::hidden::{breaks_names, ends_line};
use tonic::Status;
use uuid::Uuid;

use crate::free_form;
use crate::ids::Id;
use crate::service_error::Violations;

/// Collects what is wrong with a request.
#[derive(Debug, Default)]
pub struct Fields(Violations);

impl Fields {
    /// Ends the check.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    /// Whether nothing was wrong so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that a field is wrong; the rule says what it must be and what it was.
    pub fn refuse(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.add(field, rule);
    }

    /// A name of 1..=`max` plain characters, which is safe in a key of the store.
    pub fn name(&mut self, field: impl Into<String>, name: &str, max: usize) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
        if name.is_empty() || name.len() > max || !name.chars().all(plain) {
            self.refuse(
                field,
                format!(
                    "must be 1..{max} of letters, digits and ._:/@- ; it has {} bytes",
                    name.len()
                ),
            );
        }
    }

    /// The idempotency key, required.
    pub fn request_id(&mut self, id: &str) {
        if id.is_empty()
            || id.len() > MAX_REQUEST_ID_BYTES
            || !id.bytes().all(|b| b.is_ascii_graphic())
        {
            self.refuse("request_id", format!("must be 1..{MAX_REQUEST_ID_BYTES} visible ASCII characters, new for every request"));
        }
    }

    /// A required UUID; the nil one stands in for a wrong one until [`Fields::finish`] refuses.
    pub fn uuid(&mut self, field: &str, text: &str) -> Uuid {
        Uuid::try_parse(text).unwrap_or_else(|_| {
            let seen = if text.is_empty() {
                "it is missing".to_owned()
            } else {
                format!("{:?} is not", excerpt(text))
            };
            self.refuse(
                field,
                format!("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057; {seen}"),
            );
            Uuid::nil()
        })
    }

    /// A required id of a session, checkpoint, task, worker or lease; the nil one stands in for a wrong one until
    /// [`Fields::finish`] refuses.
    pub fn id<T: Id>(&mut self, field: &str, text: &str) -> T {
        T::from(self.uuid(field, text))
    }

    /// An id, or nothing.
    pub fn optional_id<T: Id>(&mut self, field: &str, text: &str) -> Option<T> {
        self.optional_uuid(field, text).map(T::from)
    }

    /// A UUID, or nothing.
    pub fn optional_uuid(&mut self, field: &str, text: &str) -> Option<Uuid> {
        (!text.is_empty()).then(|| self.uuid(field, text))
    }

    /// A text of at most `max` bytes.
    pub fn text(&mut self, field: impl Display, text: &str, max: usize) {
        if text.len() > max {
            self.refuse(
                field.to_string(),
                format!("is {} bytes long, at most {max} are allowed", text.len()),
            );
        } else if text.contains('\0') {
            self.refuse(
                field.to_string(),
                "holds a NUL character, which is not allowed",
            );
        }
    }

    /// A text of one line of at most `max` bytes: the name of something, a path, a purpose. It may be empty.
    pub fn line(&mut self, field: impl Display, text: &str, max: usize) {
        self.text(&field, text, max);
        self.no_breaks(field, text);
    }

    /// A text of one line with at least one visible character and at most `max` bytes.
    pub fn required_line(&mut self, field: impl Display, text: &str, max: usize) {
        self.required(&field, text, max);
        self.no_breaks(field, text);
    }

    /// A name or path has no end of a line, no other control character and nothing that turns the direction of writing: it
    /// stands in lines of answers and logs. NUL is refused by [`Fields::text`].
    pub fn no_breaks(&mut self, field: impl Display, text: &str) {
        let found = text.chars().find(|c| *c != '\0' && breaks_names(*c));
        if let Some(found) = found {
            self.refuse(
                field.to_string(),
                format!(
                    "holds U+{:04X}, which is {}; leave it out, or rename what it names",
                    u32::from(found),
                    if found.is_control() || ends_line(found) {
                        "a line break or another control character"
                    } else {
                        "a mark that turns the direction of writing"
                    }
                ),
            );
        }
    }

    /// A text of at least one visible character and at most `max` bytes.
    pub fn required(&mut self, field: impl Display, text: &str, max: usize) {
        if text.trim().is_empty() {
            self.refuse(field.to_string(), "is required");
        } else {
            self.text(field, text, max);
        }
    }

    /// A number from 0 to 1.
    pub fn fraction(&mut self, field: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.refuse(
                field,
                format!("must be a number from 0 to 1; it is {value}"),
            );
        }
    }

    /// A number of at most `max`.
    pub fn at_most(&mut self, field: &str, value: u64, max: u64) {
        if value > max {
            self.refuse(field, format!("is {value}, at most {max} is allowed"));
        }
    }

    /// A list of at most `max` items; `false` if it has more: then the items need not be checked.
    pub fn list(&mut self, field: &str, length: usize, max: usize) -> bool {
        if length > max {
            self.refuse(
                field,
                format!("has {length} items, at most {max} are allowed"),
            );
        }
        length <= max
    }

    /// A page's size: 0 means `default`.
    pub fn page_size(&mut self, field: &str, size: i32, default: u32, max: u32) -> u32 {
        match u32::try_from(size) {
            Ok(0) => default,
            Ok(size) if size <= max => size,
            _ => {
                self.refuse(
                    field,
                    format!("must be 1..{max}, or 0 for {default}; it is {size}"),
                );
                default
            }
        }
    }

    /// Notes a page token that no answer carried.
    pub fn refuse_page_token(&mut self) {
        self.refuse(
            "page_token",
            "must be the next_page_token of the answer before, unchanged",
        );
    }

    /// A span within `range`, or `default` if it is absent.
    pub fn duration(
        &mut self,
        field: &str,
        given: Option<&ProtoDuration>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(given) = given else { return default };
        match Duration::try_from(*given) {
            Ok(span) if range.contains(&span) => span,
            _ => {
                let (from, to) = (range.start(), range.end());
                let seen = format!("{}.{:09} s", given.seconds, given.nanos.unsigned_abs());
                self.refuse(field, format!("must be {from:?}..{to:?}; it is {seen}"));
                default
            }
        }
    }

    /// A free-form value: JSON's numbers as far as a double keeps them, at most 32 levels and `max` bytes encoded.
    pub fn free_form(&mut self, field: &str, value: &Struct, max: usize) {
        self.kept_free_form(field, value, max);
        self.exact_numbers(field, value);
    }

    /// No number of a free-form value may have been changed by whoever sent it.
    pub fn exact_numbers(&mut self, field: &str, value: &Struct) {
        if let Some((place, rule)) = free_form::wrong_number(value) {
            self.refuse(format!("{field}.{place}"), rule);
        }
    }

    /// A free-form value that was taken once: JSON's numbers, at most 32 levels and `max` bytes encoded.
    pub fn kept_free_form(&mut self, field: &str, value: &Struct, max: usize) {
        self.levels(field, value, 0);
        let size = value.encoded_len();
        if size > max {
            self.refuse(
                field,
                format!("is {size} bytes encoded, at most {max} are allowed"),
            );
        }
    }

    fn levels(&mut self, field: &str, value: &Struct, depth: usize) {
        for value in value.fields.values() {
            self.value(field, value, depth + 1);
        }
    }

    fn value(&mut self, field: &str, value: &Value, depth: usize) {
        if depth > MAX_FREE_FORM_DEPTH {
            return self.refuse(
                field,
                format!("is nested deeper than {MAX_FREE_FORM_DEPTH} levels"),
            );
        }
        match &value.kind {
            Some(Kind::NumberValue(number)) if !number.is_finite() => {
                self.refuse(field, "holds NaN or infinity, which JSON does not know");
            }
            Some(Kind::StructValue(inner)) => self.levels(field, inner, depth),
            Some(Kind::ListValue(list)) => list
                .values
                .iter()
                .for_each(|item| self.value(field, item, depth + 1)),
            _ => {}
        }
    }
}

/// The start of a text, for messages.
fn excerpt(text: &str) -> &str {
    let end = (0..=40.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_error::decode;

    #[test]
    fn no_name_holds_what_ends_a_line_or_turns_it() {
        for bad in [
            "a\nb",
            "a\rb",
            "a\tb",
            "a\u{b}b",
            "a\u{c}b",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{2029}b",
            "a\u{1b}[2Jb",
            "a\u{9b}b",
            "a\u{7f}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "\u{1}",
        ] {
            let mut fields = Fields::default();
            fields.line("project", bad, 100);
            let refused = fields.finish().expect_err("it breaks a line");
            let violations = decode(&refused).violations;
            assert!(
                matches!(&violations[..], [(field, rule)] if field == "project" && rule.contains("leave it out")),
                "{bad:?}: {violations:?}"
            );
        }
        let mut fields = Fields::default();
        for good in [
            "",
            "src/ä 中.rs",
            "Bildschirmfoto 9.41\u{202f}AM.png",
            "👩\u{200d}💻.md",
            "a|b: c",
        ] {
            fields.line("path", good, 100);
        }
        assert!(fields.finish().is_ok());
    }
}
