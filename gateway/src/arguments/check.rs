//! The check of arguments against their parameters: every fault with its place and its rule.

use rmcp::model::JsonObject;
use serde_json::Value;
use shim_proto::limits::{MAX_FREE_FORM_DEPTH, MAX_PATH_BYTES};
use shim_render::hidden::breaks_names;
use shim_render::id_part::IdPart;
use shim_runtime::free_form;

use super::parameter::{MAX_NAME_BYTES, Named, Parameter, ParameterType};

/// A wrong value, and the name of an unknown argument, is shown up to this many characters.
const SHOWN_CHARACTERS: usize = 40;

const ID_FORM: &str =
    "an id such as 01890a5d-ac96-774b-bcce-b302099a8057, or its last eight digits";

/// Checks the fields of an object; `report` takes the field, with the place within it, and the rule it breaks.
pub(super) fn check_object(
    given: &JsonObject,
    parameters: &[Parameter],
    report: &mut dyn FnMut(String, String),
) {
    for parameter in parameters {
        match given.get(parameter.name).filter(|value| !value.is_null()) {
            Some(value) => {
                let mut at = |path: String, rule| report(format!("{}{path}", parameter.name), rule);
                parameter.kind.check(value, &mut at);
            }
            None if parameter.required => {
                report(parameter.name.to_owned(), "is required".to_owned());
            }
            None => {}
        }
    }
    let known: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
    for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
        let name = name.chars().take(SHOWN_CHARACTERS).collect();
        report(
            name,
            format!("is not known here; there are {}", known.join(", ")),
        );
    }
}

impl ParameterType {
    /// Checks a value; `report` takes the place within the argument ("" or "\[3\]") and what it must be.
    pub(super) fn check(&self, value: &Value, report: &mut dyn FnMut(String, String)) {
        match self {
            Self::Texts {
                max_items,
                max_bytes,
            } => {
                check_items(value, *max_items, "texts", report, |item| {
                    check_text(item, *max_bytes)
                });
            }
            Self::Paths { max_items } => {
                check_items(value, *max_items, "paths", report, check_path);
            }
            Self::Names { max_items } => {
                check_items(value, *max_items, "names", report, check_name);
            }
            Self::Records { max_items, fields } => {
                for (index, item) in items(value, *max_items, "JSON objects", report) {
                    let mut at = |path: String, rule| report(format!("[{index}]{path}"), rule);
                    check_record(item, fields, &mut at);
                }
            }
            Self::Object { max_bytes } => check_json_object(value, *max_bytes, report),
            single => {
                if let Err(error) = single.check_single(value) {
                    report(String::new(), error);
                }
            }
        }
    }

    /// The fault of a value that is no list.
    fn check_single(&self, value: &Value) -> Result<(), String> {
        let (holds, expected) = match self {
            Self::Text { max_bytes } => return check_text(value, *max_bytes),
            Self::Choice(words) => (
                value.as_str().is_some_and(|word| words.contains(&word)),
                format!("one of {}", words.join(", ")),
            ),
            Self::Number { min, max } => (
                value
                    .as_f64()
                    .is_some_and(|number| (*min..=*max).contains(&number)),
                format!("a number from {min} to {max}, written without quotes"),
            ),
            Self::Integer { min, max } => (
                integer(value).is_some_and(|number| (*min..=*max).contains(&number)),
                format!("a whole number from {min} to {max}, written without quotes"),
            ),
            Self::Digits => (
                digits(value).is_some(),
                "a whole number as it was told, for example \"17\"".to_owned(),
            ),
            Self::Id { of, word } => (
                value
                    .as_str()
                    .is_some_and(|text| Some(text.trim()) == *word || names(*of, text.trim())),
                id_form(*of, *word),
            ),
            Self::Flag => (
                value.is_boolean(),
                "true or false, without quotes".to_owned(),
            ),
            _ => (value.is_array(), "a list".to_owned()),
        };
        let refusal = || format!("must be {expected}, not {}", describe_value(value));
        holds.then_some(()).ok_or_else(refusal)
    }
}

fn check_items(
    value: &Value,
    max_items: usize,
    of: &str,
    report: &mut dyn FnMut(String, String),
    check: impl Fn(&Value) -> Result<(), String>,
) {
    for (index, item) in items(value, max_items, of, report) {
        if let Err(error) = check(item) {
            report(format!("[{index}]"), error);
        }
    }
}

/// The items of a list with their places; none of what is no list or too long.
fn items<'a>(
    value: &'a Value,
    max_items: usize,
    of: &str,
    report: &mut dyn FnMut(String, String),
) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    let listed = value.as_array().map(Vec::as_slice);
    let error = match listed {
        None => Some(format!(
            "must be a list of {of}, not {}",
            describe_value(value)
        )),
        Some(items) if items.len() > max_items => Some(format!(
            "must have at most {max_items} items, not {}",
            items.len()
        )),
        Some(_) => None,
    };
    let listed = listed.filter(|_| error.is_none()).unwrap_or_default();
    if let Some(error) = error {
        report(String::new(), error);
    }
    listed.iter().enumerate()
}

/// Checks an object within a list; the place of a fault begins with a dot.
fn check_record(item: &Value, fields: &[Parameter], report: &mut dyn FnMut(String, String)) {
    let Some(object) = item.as_object() else {
        return report(
            String::new(),
            format!("must be a JSON object, not {}", describe_value(item)),
        );
    };
    check_object(object, fields, &mut |path, rule| {
        report(format!(".{path}"), rule);
    });
}

fn check_name(value: &Value) -> Result<(), String> {
    check_text(value, MAX_NAME_BYTES)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
    if value.as_str().is_some_and(|name| name.chars().all(is_part)) {
        Ok(())
    } else {
        Err(format!(
            "must be one short name of letters, digits and ._:/@- only, not {}",
            describe_value(value)
        ))
    }
}

fn check_json_object(value: &Value, max_bytes: usize, report: &mut dyn FnMut(String, String)) {
    let Some(object) = value.as_object() else {
        let rule = format!("must be a JSON object, not {}", describe_value(value));
        return report(String::new(), rule);
    };
    if depth(value) > MAX_FREE_FORM_DEPTH {
        let rule = format!("must be at most {MAX_FREE_FORM_DEPTH} levels deep");
        return report(String::new(), rule);
    }
    if let Some((place, rule)) = free_form::wrong_json_number(object) {
        report(format!(".{place}"), rule);
    }
    let bytes = value.to_string().len();
    if bytes > max_bytes {
        let rule = format!("must be at most {max_bytes} bytes, not {bytes}");
        report(String::new(), rule);
    }
}

/// Whether a place among the arguments lies within a free-form object.
pub(super) fn is_free_form(parameters: &[Parameter], place: &str) -> bool {
    let end = place.find(['.', '[']).unwrap_or(place.len());
    let (name, within) = place.split_at(end);
    let parameter = parameters.iter().find(|parameter| parameter.name == name);
    match parameter.map(|parameter| &parameter.kind) {
        Some(ParameterType::Object { .. }) => true,
        Some(ParameterType::Records { fields, .. }) => {
            let inner = within.split_once("].").map(|(_, inner)| inner);
            inner.is_some_and(|inner| is_free_form(fields, inner))
        }
        _ => false,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn check_text(value: &Value, max_bytes: usize) -> Result<(), String> {
    match value.as_str() {
        None => Err(format!("must be text, not {}", describe_value(value))),
        Some(text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        Some(text) if text.len() > max_bytes => Err(format!(
            "must be at most {max_bytes} bytes, not {}",
            text.len()
        )),
        Some(_) => Ok(()),
    }
}

/// A path may be absolute or relative to the project, but never climb: what it names must be readable from it alone.
fn check_path(value: &Value) -> Result<(), String> {
    check_text(value, MAX_PATH_BYTES)?;
    let path = value.as_str().unwrap_or_default();
    if path.contains('\0') {
        Err("must not hold a NUL character".to_owned())
    } else if path.contains(breaks_names) {
        Err(format!(
            "must hold no line break, no other control character and no mark of direction, as {} does; rename the file",
            describe_value(value)
        ))
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        Err(format!(
            "must not hold \"..\", as {} does; give the path inside the project or an absolute one",
            describe_value(value)
        ))
    } else {
        Ok(())
    }
}

/// Some clients write whole numbers as 5.0.
pub(super) fn integer(value: &Value) -> Option<u64> {
    /// The largest number up to which every whole number has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let float = value
            .as_f64()
            .filter(|x| x.fract() == 0.0 && (0.0..=EXACT).contains(x))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range"
        )]
        Some(float as u64)
    })
}

/// A whole number, with or without quotes.
pub(super) fn digits(value: &Value) -> Option<u64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => integer(value),
    }
}

/// The form of what has an id.
fn id_form(of: Named, word: Option<&str>) -> String {
    let also = match of {
        Named::Task => ", or JOB/PART",
        Named::Checkpoint => ", or SESSION:NUMBER such as 099a8057:3",
        Named::Session | Named::SessionOrWorker | Named::Worker => "",
    };
    let word = word.map_or_else(String::new, |word| format!(", or \"{word}\""));
    format!("{ID_FORM}{also}{word}")
}

/// Whether a text has the form of what names it.
fn names(of: Named, text: &str) -> bool {
    let is_id = |text: &str| whole_id(text).is_some() || IdPart::of(text).is_some();
    let is_number = |text: &str| text.parse::<u64>().is_ok_and(|number| number > 0);
    match (of, text.split_once('/'), text.split_once(':')) {
        (Named::Task, Some((job, key)), _) => is_id(job) && !key.is_empty(),
        (Named::Checkpoint, _, Some((session, number))) => is_id(session) && is_number(number),
        _ => is_id(text),
    }
}

/// A whole id as the services write it, however it was typed; `None` for what is none.
pub(crate) fn whole_id(text: &str) -> Option<String> {
    let id = uuid::Uuid::try_parse(text.trim()).ok()?;
    Some(id.hyphenated().to_string())
}

/// The value with its kind, short enough for an error.
pub(super) fn describe_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() > SHOWN_CHARACTERS => {
            format!(
                "the text \"{}...\"",
                text.chars()
                    .take(SHOWN_CHARACTERS)
                    .collect::<String>()
                    .escape_debug()
            )
        }
        Value::String(text) => format!("the text \"{}\"", text.escape_debug()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_whole_and_short_and_in_the_forms_of_its_kind() {
        use Named::{Checkpoint, Session, Task};
        let whole = "01890a5d-ac96-774b-bcce-b302099a8057";
        for (of, text, expected) in [
            (Session, whole, true),
            (Session, "01890A5D-AC96-774B-BCCE-B302099A8057", true),
            (Session, "01890a5dac96774bbcceb302099a8057", true),
            (Session, "099a8057", true),
            (Session, "01890a5d-ac96", true),
            (Session, "099a8057:3", false),
            (Session, "099a8057/b", false),
            (Session, "9a0b1", false),
            (Session, "goal", false),
            (Session, "", false),
            (Task, "099a8057", true),
            (Task, "099a8057/b", true),
            (Task, "01890a5d-ac96-774b-bcce-b302099a8057/src/a.rs", true),
            (Task, "099a8057/", false),
            (Task, "job/b", false),
            (Checkpoint, whole, true),
            (Checkpoint, "099a8057", true),
            (Checkpoint, "099a8057:3", true),
            (Checkpoint, "099a8057:0", false),
            (Checkpoint, "099a8057:-1", false),
            (Checkpoint, "099a8057:x", false),
            (Checkpoint, ":3", false),
        ] {
            assert_eq!(names(of, text), expected, "{of:?} {text:?}");
        }
        assert_eq!(
            whole_id(" 01890A5DAC96774BBCCEB302099A8057 ").as_deref(),
            Some(whole)
        );
        let form = ParameterType::id_or(Task, "none");
        let wrong = form.check_single(&"x".into());
        assert!(wrong.is_err_and(|wrong| wrong.contains("JOB/PART, or \"none\"")));
        assert_eq!(form.check_single(&"none".into()), Ok(()));
    }
}
