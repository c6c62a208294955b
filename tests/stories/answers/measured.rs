//! The answers of one window, each measured as a client shows it: the structure of a success, or its text.

use serde_json::{Value, json};
use shim_tests::mcp::Gateway;

/// Lists that are the answer itself: that they are empty is the fact.
const SUBJECTS: [&str; 7] = [
    "candidates",
    "sessions",
    "hits",
    "workers",
    "tasks",
    "events",
    "missing",
];
/// Nobody acts on these.
const USELESS: [&str; 5] = ["blake3", "hash", "epoch", "state_bytes", "restore_id"];

/// One measured answer.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Characters, as JavaScript counts them, of `structuredContent` without its notices, which are news and not the answer.
    pub(super) facts: usize,
    /// Characters of the text.
    pub(super) text: usize,
}

/// What was measured, and what is wrong with it.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<String>,
}

impl Measured {
    /// Calls a tool that does what it is asked. Returns its facts.
    pub(super) async fn call(
        &mut self,
        name: &'static str,
        window: &mut Gateway,
        tool: &str,
        arguments: Value,
    ) -> Value {
        let answer = window.call(tool, arguments).await;
        assert_ne!(answer["isError"], json!(true), "{name}: {answer}");
        let text = answer["content"][0]["text"].as_str().unwrap_or_default();
        let whole = answer["structuredContent"].clone();
        let mut facts = whole.clone();
        if let Value::Object(fields) = &mut facts {
            fields.remove("notices");
        }
        self.rows.push(Row {
            name,
            facts: facts.to_string().encode_utf16().count(),
            text: text.encode_utf16().count(),
        });
        self.look(name, text, &facts, &whole);
        whole
    }

    fn look(&mut self, name: &str, text: &str, facts: &Value, whole: &Value) {
        let mut faults = Vec::new();
        match facts["next_step"].as_str() {
            None | Some("") => faults.push("it names no next step".to_owned()),
            Some(step) if !text.contains(step) => faults.push(format!("the text lacks {step:?}")),
            Some(_) => {}
        }
        if whole["notices"] == json!([]) {
            faults.push("it has an empty list of notices".to_owned());
        }
        look_at_fields("", facts, &mut faults);
        // A prompt for a reader of its own names its session and its checkpoint as it needs them.
        let mut without_prompt = facts.clone();
        if let Value::Object(fields) = &mut without_prompt {
            fields.remove("resume_prompt");
        }
        let written = without_prompt.to_string();
        let own = ids(&written);
        for id in &own {
            if own.iter().filter(|other| *other == id).count() > 1 {
                faults.push(format!("the id {id} stands in it twice"));
            }
        }
        let told = whole.to_string();
        for id in ids(text).iter().filter(|id| !told.contains(*id)) {
            faults.push(format!("only the text has the id {id}"));
        }
        let said = faults
            .iter()
            .map(|fault| format!("{name}: {fault}: {facts}"));
        self.faults.extend(said);
    }
}

fn look_at_fields(at: &str, value: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Null => faults.push(format!("{at} is null")),
        Value::Array(list) if list.is_empty() && !SUBJECTS.contains(&at) => {
            faults.push(format!("{at} is an empty list"));
        }
        Value::Array(list) => list
            .iter()
            .for_each(|item| look_at_fields(at, item, faults)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if USELESS.contains(&name.as_str()) {
                    faults.push(format!("nobody acts on {name}"));
                }
                look_at_fields(name, field, faults);
            }
        }
        _ => {}
    }
}

/// The whole ids in a text.
fn ids(text: &str) -> Vec<&str> {
    let is_id = |start: usize| {
        let id = text.get(start..start + 36)?;
        let fits = id.char_indices().all(|(at, character)| match at {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        });
        fits.then_some(id)
    };
    text.char_indices()
        .filter_map(|(at, _)| is_id(at))
        .collect()
}

#[test]
fn a_look_at_an_answer_sees_what_is_wrong_with_it() {
    let mut measured = Measured::default();
    let id = "0191a0f0-0000-7000-8000-000000000001";
    let facts = json!({"session_id": id, "task": {"worker_id": id, "note": null}, "list": [], "blake3": "x"});
    measured.look(
        "a",
        "text 0191a0f0-0000-7000-8000-000000000002",
        &facts,
        &facts,
    );
    for part in [
        "no next step",
        "twice",
        "note is null",
        "list is an empty",
        "blake3",
        "only the text",
    ] {
        let is_seen = measured.faults.iter().any(|fault| fault.contains(part));
        assert!(is_seen, "{part}: {:?}", measured.faults);
    }
}
