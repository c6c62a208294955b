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
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::free_form;

    fn judged(kind: &str, payload: &serde_json::Value) -> Judgement {
        judge(
            kind,
            &free_form::from_json(payload.as_object().unwrap()).unwrap(),
        )
    }

    #[test]
    fn every_field_of_every_kind_is_taken() {
        for (kind, payload) in [
            ("analyze", json!({})),
            (
                "analyze",
                json!({"path": "/p", "include": ["src", "./a.js"], "first_picture_only": false, "with_work_history": true, "limit": 1_000}),
            ),
            ("analyze", json!({"parts": 64, "part": 64})),
            (
                "evolve",
                json!({"path": "/p", "include": [], "transforms": ["var-to-let-const"], "limit": 100, "agents": 0, "nightly": true}),
            ),
            (
                "evolve",
                json!({"evolution_id": "0123456789ab", "path": "/p"}),
            ),
            ("evolve", json!({"offer": "long-function", "path": "/p"})),
            (
                "generate_tests",
                json!({"path": "/p", "max_functions": 200, "seed": 9_007_199_254_740_991_u64}),
            ),
            ("write", json!({"whatever": [1, {"a": null}]})),
        ] {
            assert_eq!(
                judged(kind, &payload),
                Judgement::default(),
                "{kind} {payload}"
            );
        }
    }

    #[test]
    fn what_no_task_has_and_what_no_field_can_be_is_a_fault() {
        for (kind, payload, field, words) in [
            (
                "analyze",
                json!({"pathh": "/p"}),
                "pathh",
                "there is no such field; there are path",
            ),
            (
                "evolve",
                json!({"transform": "x"}),
                "transform",
                "evolution_id, offer",
            ),
            ("analyze", json!({"path": "p"}), "path", "p is not absolute"),
            ("analyze", json!({"path": 3}), "path", "must be a text"),
            ("analyze", json!({"path": null}), "path", "must be a text"),
            ("analyze", json!({"path": " "}), "path", "is required"),
            ("analyze", json!({"path": "/a\u{0}b"}), "path", "NUL"),
            ("analyze", json!({"path": "/a\nb"}), "path", "line break"),
            (
                "analyze",
                json!({"path": format!("/{}", "a".repeat(4_096))}),
                "path",
                "4096",
            ),
            (
                "analyze",
                json!({"include": "src"}),
                "include",
                "list of texts",
            ),
            (
                "analyze",
                json!({"include": ["a", 1]}),
                "include",
                "list of texts",
            ),
            (
                "analyze",
                json!({"include": ["a", "../b"]}),
                "include[1]",
                "stay below",
            ),
            (
                "analyze",
                json!({"include": ["/a"]}),
                "include[0]",
                "stay below",
            ),
            (
                "analyze",
                json!({"include": vec!["a"; 1_001]}),
                "include",
                "1000",
            ),
            ("analyze", json!({"limit": 0}), "limit", "from 1 to 1000"),
            ("analyze", json!({"limit": -1}), "limit", "from 1 to 1000"),
            ("analyze", json!({"limit": 1.5}), "limit", "from 1 to 1000"),
            ("analyze", json!({"limit": "20"}), "limit", "from 1 to 1000"),
            ("evolve", json!({"limit": 101}), "limit", "from 1 to 100"),
            ("evolve", json!({"agents": 21}), "agents", "from 0 to 20"),
            (
                "analyze",
                json!({"first_picture_only": "yes"}),
                "first_picture_only",
                "true or false",
            ),
            ("evolve", json!({"nightly": 1}), "nightly", "true or false"),
            (
                "evolve",
                json!({"transforms": ["no var"]}),
                "transforms[0]",
                "letters",
            ),
            (
                "evolve",
                json!({"transforms": vec!["a"; 65]}),
                "transforms",
                "64",
            ),
            (
                "evolve",
                json!({"evolution_id": "short"}),
                "evolution_id",
                "6 or more",
            ),
            (
                "evolve",
                json!({"evolution_id": 7}),
                "evolution_id",
                "must be a text",
            ),
            ("evolve", json!({"offer": ""}), "offer", "must be 1..64"),
            ("analyze", json!({"parts": 65}), "parts", "from 1 to 64"),
            (
                "analyze",
                json!({"part": 3, "parts": 2}),
                "part",
                "from 1 to 2",
            ),
            ("analyze", json!({"part": 2}), "part", "from 1 to 1"),
            ("generate_tests", json!({"seed": -1}), "seed", "from 0 to"),
            (
                "generate_tests",
                json!({"max_functions": 201}),
                "max_functions",
                "from 1 to 200",
            ),
        ] {
            let found = judged(kind, &payload);
            let [(named, rule)] = found.faults.as_slice() else {
                panic!("{kind} {payload}: {found:?}")
            };
            assert!(
                named == field && rule.contains(words),
                "{kind} {payload}: {found:?}"
            );
        }
    }

    #[test]
    fn fields_of_other_tasks_are_told_apart_from_misspelt_ones() {
        for (kind, payload, field, words) in [
            (
                "analyze",
                json!({"transforms": []}),
                "transforms",
                "evolve that propose",
            ),
            (
                "analyze",
                json!({"evolution_id": "0123456789ab"}),
                "evolution_id",
                "apply a proposal",
            ),
            (
                "evolve",
                json!({"max_functions": 3}),
                "max_functions",
                "generate_tests",
            ),
            (
                "evolve",
                json!({"evolution_id": "0123456789ab", "limit": 3}),
                "limit",
                "apply a proposal",
            ),
            (
                "evolve",
                json!({"offer": "x", "nightly": true}),
                "nightly",
                "agent's answer",
            ),
            ("generate_tests", json!({"limit": 3}), "limit", "analyze"),
        ] {
            let found = judged(kind, &payload);
            assert_eq!(found.faults, [], "{kind} {payload}");
            let [(named, rule)] = found.unheeded.as_slice() else {
                panic!("{kind} {payload}: {found:?}")
            };
            assert!(
                named == field && rule.contains(words),
                "{kind} {payload}: {rule}"
            );
        }
    }
}
