//! What a task asks for: its payload, else its files and its workspace.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use shim_proto::coordination::v1::Task;
use shim_proto::limits::evolution::MAX_PARTS;
use shim_runtime::free_form;

use crate::domain::analysis::shares::Share;

/// What a task asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arguments {
    /// The project, absolute.
    pub(super) path: PathBuf,
    /// Files and folders, relative to it; all if empty.
    pub(super) include: Vec<String>,
    /// The rest of the payload.
    pub(super) options: Map<String, Value>,
}

/// The fields of a payload, for whoever misspells one.
const FIELDS: [&str; 14] = [
    "path",
    "include",
    "first_picture_only",
    "with_work_history",
    "transforms",
    "limit",
    "max_functions",
    "seed",
    "evolution_id",
    "agents",
    "offer",
    "parts",
    "part",
    "nightly",
];

impl Arguments {
    /// # Errors
    /// What is wrong or missing, and how to give it.
    pub(super) fn of(task: &Task) -> Result<Self, String> {
        let mut options = task
            .payload
            .as_ref()
            .map(free_form::to_json)
            .unwrap_or_default();
        if let Some(unknown) = options.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(format!(
                "payload.{unknown}: there is no such field; there are {}",
                FIELDS.join(", ")
            ));
        }
        let path = match options.remove("path") {
            Some(Value::String(path)) => PathBuf::from(path),
            Some(_) => return Err("payload.path: must be a text, the project's absolute path".to_owned()),
            None if Path::new(&task.workspace).is_absolute() => PathBuf::from(&task.workspace),
            // It is found by its id.
            None if options.contains_key("evolution_id") => PathBuf::new(),
            None => return Err(
                "the task names no project: give its absolute path as payload.path, or submit it in the project's folder with files"
                    .to_owned(),
            ),
        };
        if !path.as_os_str().is_empty() && !path.is_absolute() {
            return Err(format!("payload.path: {} is not absolute", path.display()));
        }
        let include = match options.remove("include") {
            Some(include) => texts("include", &include)?,
            None => files(task, &path)?,
        };
        Ok(Self {
            path,
            include,
            options,
        })
    }

    /// A number of the payload, or `default`.
    ///
    /// # Errors
    /// If it is none, or above `max`.
    pub(super) fn number(&self, field: &str, default: u32, max: u32) -> Result<u32, String> {
        let Some(value) = self.options.get(field) else {
            return Ok(default);
        };
        let number = value.as_f64().filter(|it| it.fract() == 0.0);
        let number = number.filter(|it| (1.0..=f64::from(max)).contains(it));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a whole number within u32"
        )]
        let number = number.map(|it| it as u32);
        number.ok_or_else(|| format!("payload.{field}: must be a whole number from 1 to {max}"))
    }

    /// The share of the files that the task is about, if it is a part of an analysis.
    ///
    /// # Errors
    /// If it is none of the parts.
    pub(super) fn share(&self) -> Result<Option<Share>, String> {
        if !self.options.contains_key("part") {
            return Ok(None);
        }
        let parts = self.number("parts", 1, MAX_PARTS)?;
        let part = self.number("part", 1, parts)?;
        Ok(Some(Share { part, parts }))
    }

    /// Whether a field of the payload is set.
    ///
    /// # Errors
    /// If it is neither true nor false.
    pub(super) fn flag(&self, field: &str) -> Result<bool, String> {
        match self.options.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("payload.{field}: must be true or false")),
        }
    }

    /// A list of texts of the payload.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn list(&self, field: &str) -> Result<Vec<String>, String> {
        match self.options.get(field) {
            None => Ok(Vec::new()),
            Some(list) => texts(field, list),
        }
    }

    /// A text of the payload.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>, String> {
        match self.options.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("payload.{field}: must be a text")),
        }
    }
}

fn texts(field: &str, value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array();
    let texts = list.and_then(|list| {
        list.iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    texts.ok_or_else(|| format!("payload.{field}: must be a list of texts"))
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
        Task {
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
        assert_eq!(by_id.text("evolution_id").unwrap().unwrap(), "abcdef");
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
        let wrong = Arguments::of(&task(
            &json!({"limit": 0, "seed": 1.5, "transforms": [1], "first_picture_only": "yes"}),
            "/w",
            &[],
        ))
        .unwrap();
        assert!(wrong.number("limit", 5, 100).is_err() && wrong.number("seed", 5, 100).is_err());
        assert!(wrong.list("transforms").is_err() && wrong.flag("first_picture_only").is_err());
        assert_eq!(wrong.number("max_functions", 5, 100), Ok(5));
    }
}
