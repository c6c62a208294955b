//! What a task asks for: its payload, else its files and its workspace.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use shim_proto::coordination::v1::{Task, TaskResult};
use shim_runtime::free_form;
use shim_runtime::task_payloads::judge;

use crate::domain::analysis::shares::Share;

/// What a task asks for. Its payload was judged: what it holds has the right form.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arguments {
    /// The project, absolute.
    pub(super) path: PathBuf,
    /// Whether the payload names the project.
    pub(super) names_path: bool,
    /// Files and folders, relative to it; all if empty.
    pub(super) include: Vec<String>,
    /// The rest of the payload.
    options: Map<String, Value>,
    /// Fields of the payload that other tasks have, with what they are for.
    unheeded: Vec<(String, String)>,
}

impl Arguments {
    /// # Errors
    /// What is wrong or missing, and how to give it.
    pub(super) fn of(task: &Task) -> Result<Self, String> {
        let payload = task.payload.clone().unwrap_or_default();
        let judgement = judge(&task.kind, &payload);
        if !judgement.faults.is_empty() {
            let faults = judgement.faults.iter();
            let faults = faults.map(|(field, rule)| format!("payload.{field}: {rule}"));
            return Err(faults.collect::<Vec<_>>().join("; "));
        }
        let mut options = free_form::to_json(&payload);
        for (field, _) in &judgement.unheeded {
            options.remove(field);
        }
        let named = options.remove("path");
        let path = match named.as_ref().and_then(Value::as_str) {
            Some(path) => PathBuf::from(path),
            None if Path::new(&task.workspace).is_absolute() => PathBuf::from(&task.workspace),
            // It is found by its id.
            None if options.contains_key("evolution_id") => PathBuf::new(),
            None => return Err(
                "the task names no project: give its absolute path as payload.path, or submit it in the project's folder with files"
                    .to_owned(),
            ),
        };
        let include = match options.remove("include") {
            Some(include) => texts(&include),
            None => files(task, &path)?,
        };
        Ok(Self {
            path,
            names_path: named.is_some(),
            include,
            options,
            unheeded: judgement.unheeded,
        })
    }

    /// A number of the payload, or `default`.
    pub(super) fn number(&self, field: &str, default: u32) -> u32 {
        u32::try_from(self.long_number(field, default.into())).unwrap_or(default)
    }

    /// A number of the payload that may be large, or `default`.
    pub(super) fn long_number(&self, field: &str, default: u64) -> u64 {
        let number = self.options.get(field).and_then(Value::as_u64);
        number.unwrap_or(default)
    }

    /// The share of the files that the task is about, if it is a part of an analysis.
    pub(super) fn share(&self) -> Option<Share> {
        self.options.contains_key("part").then(|| Share {
            part: self.number("part", 1),
            parts: self.number("parts", 1),
        })
    }

    /// Whether a field of the payload is set.
    pub(super) fn flag(&self, field: &str) -> bool {
        self.options.get(field) == Some(&Value::Bool(true))
    }

    /// A list of texts of the payload.
    pub(super) fn list(&self, field: &str) -> Vec<String> {
        self.options.get(field).map(texts).unwrap_or_default()
    }

    /// A text of the payload.
    pub(super) fn text(&self, field: &str) -> Option<String> {
        let text = self.options.get(field).and_then(Value::as_str);
        text.map(str::to_owned)
    }

    /// A result that says which fields of the payload were not heeded.
    pub(super) fn noted(&self, mut result: TaskResult) -> TaskResult {
        for (field, rule) in &self.unheeded {
            result.text += &format!("\nnote: payload.{field} was not heeded: it {rule}");
        }
        result
    }
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The task's files, relative to the project. A pattern of files is no name: it stands for the folder that it begins with.
fn files(task: &Task, project: &Path) -> Result<Vec<String>, String> {
    let workspace = Path::new(&task.workspace);
    let mut include = Vec::with_capacity(task.files.len());
    for file in &task.files {
        let named = plain_beginning(file);
        let whole = workspace.join(&named);
        let inside = whole.strip_prefix(project).map_err(|_| {
            format!(
                "files: {file} lies outside of the project {}",
                project.display()
            )
        })?;
        let is_below = inside
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_below {
            return Err(format!("files: {file} is no path below the project"));
        }
        if inside.as_os_str().is_empty() {
            // The whole project.
            return Ok(Vec::new());
        }
        include.push(inside.to_string_lossy().into_owned());
    }
    include.sort();
    include.dedup();
    Ok(include)
}

/// The part of a pattern before its first wildcard, up to a folder; a name without wildcards is all of it.
fn plain_beginning(pattern: &str) -> String {
    let mut plain = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            '*' | '?' | '[' | '{' => {
                let end = plain.rfind('/').unwrap_or(0);
                plain.truncate(end);
                return plain;
            }
            other => plain.push(other),
        }
    }
    plain
        .trim_start_matches("./")
        .trim_end_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn task(payload: &Value, workspace: &str, files: &[&str]) -> Task {
        let object = payload.as_object().cloned().unwrap_or_default();
        let is_application = object.contains_key("evolution_id");
        Task {
            kind: if is_application { "evolve" } else { "analyze" }.to_owned(),
            payload: free_form::from_json(&object),
            workspace: workspace.to_owned(),
            files: files.iter().map(|it| (*it).to_owned()).collect(),
            ..Task::default()
        }
    }

    #[test]
    fn the_project_is_named_by_the_payload_or_is_the_workspace() {
        let named =
            Arguments::of(&task(&json!({"path": "/p", "include": ["src"]}), "/w", &[])).unwrap();
        assert_eq!(
            (named.path, named.include),
            ("/p".into(), vec!["src".to_owned()])
        );
        let around = Arguments::of(&task(
            &json!({}),
            "/w",
            &["src/a.js", r"app/\[id\].ts", "lib/**/*.js", "src/a.js"],
        ))
        .unwrap();
        assert_eq!(around.path, Path::new("/w"));
        assert_eq!(around.include, ["app/[id].ts", "lib", "src/a.js"]);
        let all = Arguments::of(&task(&json!({}), "/w", &["src/a.js", "**/*.js"])).unwrap();
        assert!(all.include.is_empty());
        let inner = Arguments::of(&task(&json!({"path": "/w/p"}), "/w", &["p/a.js"])).unwrap();
        assert_eq!(inner.include, ["a.js"]);
        let by_id = Arguments::of(&task(&json!({"evolution_id": "abcdef"}), "", &[])).unwrap();
        assert_eq!(by_id.text("evolution_id").unwrap(), "abcdef");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (payload, workspace, files, words) in [
            (json!({}), "", &[][..], "payload.path"),
            (json!({}), "shop", &[], "payload.path"),
            (json!({"path": "p"}), "", &[], "is not absolute"),
            (
                json!({"path": 3}),
                "/w",
                &[],
                "payload.path: must be a text",
            ),
            (
                json!({"pathh": "/p"}),
                "/w",
                &[],
                "payload.pathh: there is no such field",
            ),
            (
                json!({"include": "src"}),
                "/w",
                &[],
                "payload.include: must be a list",
            ),
            (
                json!({"path": "/p"}),
                "/w",
                &["a.js"],
                "outside of the project",
            ),
            (json!({}), "/w", &["../x.js"], "no path below"),
        ] {
            let refused = Arguments::of(&task(&payload, workspace, files)).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn what_the_payload_holds_is_read_and_what_others_have_is_told() {
        let given = Arguments::of(&task(
            &json!({"limit": 7, "first_picture_only": true, "part": 2, "parts": 3, "seed": 5, "path": "/w"}),
            "/w",
            &[],
        ))
        .unwrap();
        assert_eq!((given.number("limit", 5), given.number("seed", 9)), (7, 9));
        assert!(given.flag("first_picture_only") && !given.flag("with_work_history"));
        assert_eq!(given.share(), Some(Share { part: 2, parts: 3 }));
        assert!(given.names_path && given.list("transforms").is_empty());
        let text = given.noted(TaskResult::default()).text;
        assert!(
            text.starts_with(
                "\nnote: payload.seed was not heeded: it is for tasks of the kind generate_tests"
            ),
            "{text}"
        );
        let evolving = Task {
            kind: "generate_tests".to_owned(),
            ..task(
                &json!({"seed": 4_503_599_627_370_495_u64, "max_functions": 3}),
                "/w",
                &[],
            )
        };
        let given = Arguments::of(&evolving).unwrap();
        assert_eq!(given.long_number("seed", 0), 4_503_599_627_370_495);
    }
}
