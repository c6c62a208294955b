//! What the payload of a task of the evolution service's kinds may hold: one table for the service that takes a task and the one
//! that does it.

use std::path::{Component, Path};

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_proto::limits::MAX_PATH_BYTES;
use shim_proto::limits::evolution::{
    MAX_AGENTS, MAX_FUNCTIONS, MAX_ID_BYTES, MAX_INCLUDE, MAX_ITEMS, MAX_PARTS, MAX_PROPOSALS,
    MAX_SEED, MAX_TRANSFORM_BYTES, MAX_TRANSFORMS, MIN_ID_BYTES,
};

use crate::fields::Fields;
use crate::service_error::decode;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An absolute path.
    Path,
    /// Paths below the project.
    Include,
    /// Names, at most so many.
    Names(usize),
    /// A name.
    Name,
    /// An evolution's id, or its beginning or end.
    Id,
    /// A whole number of this range.
    Number(u64, u64),
    /// True or false.
    Flag,
}

/// What a task asks for: the fields that it may have.
struct Work {
    kind: &'static str,
    /// In words, for who gives a field of another one.
    what: &'static str,
    /// The field that decides for this work among those of the kind; the last one of a kind has none.
    decides: Option<&'static str>,
    fields: &'static [(&'static str, Form)],
}

const PATH: (&str, Form) = ("path", Form::Path);
const INCLUDE: (&str, Form) = ("include", Form::Include);

/// All that tasks can ask for.
const WORKS: [Work; 5] = [
    Work {
        kind: "analyze",
        what: "tasks of the kind analyze",
        decides: None,
        fields: &[
            PATH,
            INCLUDE,
            ("first_picture_only", Form::Flag),
            ("with_work_history", Form::Flag),
            ("limit", Form::Number(1, MAX_ITEMS as u64)),
            ("parts", Form::Number(1, MAX_PARTS as u64)),
            ("part", Form::Number(1, MAX_PARTS as u64)),
        ],
    },
    Work {
        kind: "evolve",
        what: "tasks that apply a proposal, which evolution_id names",
        decides: Some("evolution_id"),
        fields: &[PATH, ("evolution_id", Form::Id)],
    },
    Work {
        kind: "evolve",
        what: "tasks that make a proposal of an agent's answer, which offer names",
        decides: Some("offer"),
        fields: &[PATH, ("offer", Form::Name)],
    },
    Work {
        kind: "evolve",
        what: "tasks of the kind evolve that propose",
        decides: None,
        fields: &[
            PATH,
            INCLUDE,
            ("transforms", Form::Names(MAX_TRANSFORMS)),
            ("limit", Form::Number(1, MAX_PROPOSALS as u64)),
            ("agents", Form::Number(0, MAX_AGENTS as u64)),
            ("nightly", Form::Flag),
        ],
    },
    Work {
        kind: "generate_tests",
        what: "tasks of the kind generate_tests",
        decides: None,
        fields: &[
            PATH,
            INCLUDE,
            ("max_functions", Form::Number(1, MAX_FUNCTIONS as u64)),
            ("seed", Form::Number(0, MAX_SEED)),
        ],
    },
];

/// What is wrong with a payload: names of fields, with what each must be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Fields that no task has, and values that a field cannot have.
    pub faults: Vec<(String, String)>,
    /// Fields that other tasks have: this one does not heed them.
    pub unheeded: Vec<(String, String)>,
}

/// Judges the payload of a task of one of the evolution service's kinds; nothing is wrong with that of another kind.
#[must_use]
pub fn judge(kind: &str, payload: &Struct) -> Judgement {
    let mut judgement = Judgement::default();
    let Some(work) = work_of(kind, payload) else {
        return judgement;
    };
    for (name, value) in &payload.fields {
        let form = work.fields.iter().find(|(field, _)| field == name);
        match form {
            Some((_, form)) => judgement.faults.extend(faults(name, value, *form)),
            None => match owner(name) {
                Some(other) => {
                    let rule = format!("is for {other}, not for {}", work.what);
                    judgement.unheeded.push((name.clone(), rule));
                }
                None => judgement.faults.push((name.clone(), no_such_field(work))),
            },
        }
    }
    judgement.faults.extend(wrong_part(payload));
    judgement.faults.sort();
    judgement.unheeded.sort();
    judgement
}

/// What a task asks for: a payload decides by the first field that decides something.
fn work_of(kind: &str, payload: &Struct) -> Option<&'static Work> {
    let is_asked = |work: &&Work| {
        let decides = work
            .decides
            .is_none_or(|field| payload.fields.contains_key(field));
        work.kind == kind && decides
    };
    WORKS.iter().find(is_asked)
}

/// The tasks that have a field.
fn owner(name: &str) -> Option<&'static str> {
    let has = |work: &&Work| work.fields.iter().any(|(field, _)| *field == name);
    WORKS.iter().find(has).map(|work| work.what)
}

fn no_such_field(work: &Work) -> String {
    let names: Vec<&str> = work.fields.iter().map(|(name, _)| *name).collect();
    let all = WORKS.iter().filter(|other| other.kind == work.kind);
    let others = all.filter_map(|other| other.decides.filter(|it| !names.contains(it)));
    let names: Vec<&str> = names.iter().copied().chain(others).collect();
    format!("there is no such field; there are {}", names.join(", "))
}

/// A part beyond the number of parts.
fn wrong_part(payload: &Struct) -> Option<(String, String)> {
    let number = |name: &str| match payload.fields.get(name)?.kind.as_ref()? {
        Kind::NumberValue(number) => Some(*number),
        _ => None,
    };
    let (part, parts) = (number("part")?, number("parts").unwrap_or(1.0));
    (part > parts && parts >= 1.0).then(|| {
        let rule = format!("must be a whole number from 1 to {parts}, the number of parts");
        ("part".to_owned(), rule)
    })
}

/// What is wrong with the value of a field.
fn faults(name: &str, value: &Value, form: Form) -> Vec<(String, String)> {
    let one = |rule: String| vec![(name.to_owned(), rule)];
    match (form, &value.kind) {
        (Form::Flag, Some(Kind::BoolValue(_))) => Vec::new(),
        (Form::Flag, _) => one("must be true or false".to_owned()),
        (Form::Number(low, high), Some(Kind::NumberValue(number)))
            if number.fract() == 0.0 && (low as f64..=high as f64).contains(number) =>
        {
            Vec::new()
        }
        (Form::Number(low, high), _) => one(format!("must be a whole number from {low} to {high}")),
        (Form::Path | Form::Name | Form::Id, Some(Kind::StringValue(text))) => {
            checked(|fields| text_faults(fields, name, text, form))
        }
        (Form::Path, _) => one("must be a text, the project's absolute path".to_owned()),
        (Form::Name | Form::Id, _) => one("must be a text".to_owned()),
        (Form::Include | Form::Names(_), kind) => match texts(kind.as_ref()) {
            Some(texts) => checked(|fields| list_faults(fields, name, &texts, form)),
            None => one("must be a list of texts".to_owned()),
        },
    }
}

fn texts(kind: Option<&Kind>) -> Option<Vec<&str>> {
    let Some(Kind::ListValue(list)) = kind else {
        return None;
    };
    let texts = list.values.iter().map(|item| match &item.kind {
        Some(Kind::StringValue(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// What the shared rules of fields say.
fn checked(check: impl FnOnce(&mut Fields)) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    check(&mut fields);
    match fields.finish() {
        Ok(()) => Vec::new(),
        Err(status) => decode(&status).violations,
    }
}

fn text_faults(fields: &mut Fields, name: &str, text: &str, form: Form) {
    match form {
        Form::Id => fields.part_of_id(name, text, MIN_ID_BYTES..=MAX_ID_BYTES),
        Form::Name => fields.name(name, text, MAX_TRANSFORM_BYTES),
        _ => {
            fields.required_line(name, text, MAX_PATH_BYTES);
            if !text.trim().is_empty() && !Path::new(text).is_absolute() {
                fields.refuse(name, format!("{text} is not absolute"));
            }
        }
    }
}

fn list_faults(fields: &mut Fields, name: &str, texts: &[&str], form: Form) {
    let most = match form {
        Form::Names(most) => most,
        _ => MAX_INCLUDE,
    };
    if !fields.list(name, texts.len(), most) {
        return;
    }
    for (at, text) in texts.iter().enumerate() {
        let field = format!("{name}[{at}]");
        match form {
            Form::Names(_) => fields.name(field, text, MAX_TRANSFORM_BYTES),
            _ => fields.path_below(&field, text, MAX_PATH_BYTES),
        }
    }
}

impl Fields {
    /// A path below the one that a request names.
    pub fn path_below(&mut self, field: &str, path: &str, max: usize) {
        self.required_line(field, path, max);
        let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.trim().is_empty() && !Path::new(path).components().all(is_below) {
            self.refuse(
                field,
                "must be relative to path and stay below it: without / at its beginning and without ..",
            );
        }
    }

    /// An id, or the beginning or end of one.
    pub fn part_of_id(&mut self, field: &str, id: &str, bytes: std::ops::RangeInclusive<usize>) {
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if !bytes.contains(&id.len()) || !id.bytes().all(is_part) {
            self.refuse(
                field,
                format!(
                    "must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057, or {} or more of its first or last characters; it has {} bytes",
                    bytes.start(),
                    id.len()
                ),
            );
        }
    }
}

#[cfg(test)]
#[path = "task_payloads_tests.rs"]
mod tests;
