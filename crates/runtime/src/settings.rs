//! The sources of the configuration in one flat table of dotted keys: flags over `SHIM_*` environment over `shim.toml`.
//!
//! Each crate reads its own keys, with its own defaults, and [`Settings::finish`] reports everything wrong at once: bad
//! values and keys that no crate reads. The real environment is never read here, so a test passes a map. Types of other
//! modules implement [`Setting`] beside their definition.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::data_dir;

const ENV_PREFIX: &str = "SHIM_";

/// Environment names with our prefix that are no configuration; workers pass the task to their programs by them.
const ENV_NOT_SETTINGS: [&str; 9] = [
    "SHIM_BIN",
    "SHIM_CLAUDE",
    "SHIM_PYTHON",
    "SHIM_NODE",
    "SHIM_CONFIG",
    "SHIM_HOLDER",
    "SHIM_TASK_ID",
    "SHIM_TASK_GOAL",
    "SHIM_TASK_LEASE",
];

/// Where a value came from, for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    File,
    Environment,
    Flag,
}

#[derive(Debug, Clone)]
struct Value {
    content: Content,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Content {
    One(String),
    /// Only a file has lists; flags and the environment separate items by commas.
    Many(Vec<String>),
}

/// Every configured value by its dotted key, and what was found wrong so far.
#[derive(Debug, Default)]
pub struct Settings {
    file: Option<PathBuf>,
    values: BTreeMap<String, Value>,
    /// Environment names keep their own spelling until a reader names the key: `SHIM_A_B_C` may mean `a.b_c`.
    environment: BTreeMap<String, String>,
    known: BTreeSet<String>,
    errors: Vec<String>,
}

/// Everything wrong with the configuration, a line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration is wrong in {} place(s):",
            self.0.len()
        )?;
        for error in &self.0 {
            write!(f, "\n  - {error}")?;
        }
        Ok(())
    }
}

impl Settings {
    /// Gathers all sources. A missing `file` is an error: name it only if it must be there.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML; bad values are reported by [`Settings::finish`].
    pub fn gather(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let mut settings = Self::default();
        if let Some(path) = file {
            settings.file = std::path::absolute(path).ok();
            settings.read_file(path)?;
        }
        for (name, value) in env {
            if name.starts_with(ENV_PREFIX) && !ENV_NOT_SETTINGS.contains(&name.as_str()) {
                settings.environment.insert(name, value);
            }
        }
        for (key, text) in flags {
            settings.values.insert(
                key,
                Value {
                    content: Content::One(text),
                    origin: Origin::Flag,
                },
            );
        }
        Ok(settings)
    }

    /// The file gathered from, whole.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigErrors> {
        let wrong = |what: String| ConfigErrors(vec![format!("{}: {what}", path.display())]);
        let text = data_dir::read_named(path, 1 << 20).map_err(|e| wrong(e.to_string()))?;
        let table = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        self.flatten("", table);
        Ok(())
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            let content = match value {
                toml::Value::Table(inner) => {
                    self.flatten(&key, inner);
                    continue;
                }
                toml::Value::Array(items) => {
                    let items: Option<Vec<_>> = items.into_iter().map(plain).collect();
                    items.map(Content::Many)
                }
                one => plain(one).map(Content::One),
            };
            let Some(content) = content else {
                self.errors
                    .push(format!("{key}: takes a list of plain values, not of lists"));
                continue;
            };
            let origin = Origin::File;
            self.values.insert(key, Value { content, origin });
        }
    }

    /// The value of `key`, or `None` if it is not set or wrong (then [`Settings::finish`] reports it).
    pub fn get<T: Setting>(&mut self, key: &str) -> Option<T> {
        let value = self.look_up(key)?;
        let parsed = match &value.content {
            Content::One(text) => T::parse(text.trim()).map_err(|expected| (text, expected)),
            Content::Many(_) => {
                self.refuse_once(format!("{key}: takes one value, not a list"));
                return None;
            }
        };
        parsed
            .map_err(|(text, expected)| self.refuse_value(key, value.origin, text, &expected))
            .ok()
    }

    /// The list under `key`: an array in the file, separated by commas elsewhere; `None` if it is not set or wrong.
    pub fn get_list<T: Setting>(&mut self, key: &str) -> Option<Vec<T>> {
        let value = self.look_up(key)?;
        let items = match value.content {
            Content::Many(items) => items,
            Content::One(text) => text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect(),
        };
        let mut list = Vec::with_capacity(items.len());
        for item in &items {
            match T::parse(item) {
                Ok(parsed) => list.push(parsed),
                Err(expected) => self.refuse_value(key, value.origin, item, &expected),
            }
        }
        (list.len() == items.len()).then_some(list)
    }

    /// The names configured below `prefix`: `b` if `prefix.b.FIELD` is set. The environment does not separate the parts of
    /// a key, so a name there is the text between the prefix and one of `fields`.
    pub fn names_below(&self, prefix: &str, fields: &[&str]) -> BTreeSet<String> {
        let keyed = self.values.keys().filter_map(|key| {
            let (name, _field) = key
                .strip_prefix(prefix)?
                .strip_prefix('.')?
                .split_once('.')?;
            Some(name.to_owned())
        });
        let start = format!("{}_", env_name(prefix));
        let endings: Vec<_> = fields
            .iter()
            .map(|field| format!("_{}", field.to_uppercase()))
            .collect();
        let in_environment = self.environment.keys().filter_map(|name| {
            let rest = name.strip_prefix(&start)?;
            let shortest = endings
                .iter()
                .filter_map(|end| rest.strip_suffix(end.as_str()));
            // The longest field that fits leaves the shortest name.
            let name = shortest.min_by_key(|name| name.len())?;
            (!name.is_empty()).then(|| name.to_lowercase())
        });
        keyed.chain(in_environment).collect()
    }

    /// Whether `key` has a value, right or wrong.
    pub fn is_set(&mut self, key: &str) -> bool {
        self.look_up(key).is_some()
    }

    fn look_up(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        let flagged = |value: &Value| value.origin == Origin::Flag;
        // Kept under the key that was read: several crates may read the same one.
        if let Some(text) = self.environment.remove(&env_name(key))
            && !self.values.get(key).is_some_and(flagged)
        {
            let value = Value {
                content: Content::One(text),
                origin: Origin::Environment,
            };
            self.values.insert(key.to_owned(), value);
        }
        self.values.get(key).cloned()
    }

    fn refuse_value(&mut self, key: &str, origin: Origin, text: &str, expected: &str) {
        let source = match origin {
            Origin::File => format!("{key} in shim.toml"),
            Origin::Environment => env_name(key),
            Origin::Flag => format!("--{}", key.replace(['.', '_'], "-")),
        };
        self.refuse_once(format!("{source}: \"{text}\" is not {expected}"));
    }

    /// A key may be read, and found wrong, by several crates.
    fn refuse_once(&mut self, error: String) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// The value of `key`, or `default`.
    pub fn get_or<T: Setting>(&mut self, key: &str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// The value of `key` within `range`, or `default`.
    pub fn get_within<T: Setting + PartialOrd + fmt::Debug>(
        &mut self,
        key: &str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> T {
        match self.get(key) {
            None => default,
            Some(value) if range.contains(&value) => value,
            Some(value) => {
                self.errors.push(format!(
                    "{key}: {value:?} is outside {:?}..={:?}",
                    range.start(),
                    range.end()
                ));
                default
            }
        }
    }

    /// Notes a fault of several keys together.
    pub fn refuse(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    /// Reports everything wrong: call it after every crate has read its keys.
    ///
    /// # Errors
    /// If any value was bad or any key is unknown.
    pub fn finish(mut self) -> Result<(), ConfigErrors> {
        for key in self.values.keys().filter(|key| !self.known.contains(*key)) {
            self.errors
                .push(format!("{key}: unknown key{}", closest(key, &self.known)));
        }
        for name in self.environment.keys() {
            self.errors
                .push(format!("{name}: no setting has this environment name"));
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(self.errors))
        }
    }
}

/// The name of a key in the environment.
fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.to_uppercase().replace('.', "_"))
}

/// A value of a file as text; `None` for a list or a table.
fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
        other => Some(other.to_string()),
    }
}

/// " (did you mean ...?)" if a known key shares the last part or most letters.
fn closest(key: &str, known: &BTreeSet<String>) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    known
        .iter()
        .find(|candidate| candidate.rsplit('.').next() == Some(last) || candidate.starts_with(key))
        .map(|candidate| format!(" (did you mean {candidate}?)"))
        .unwrap_or_default()
}

/// A type a setting can have.
pub trait Setting: Sized {
    /// Parses the text.
    ///
    /// # Errors
    /// With what was expected, to stand after "is not".
    fn parse(text: &str) -> Result<Self, String>;
}

/// Parses with [`FromStr`]; the error is what was expected.
pub(crate) fn from_str<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| expected.to_owned())
}

macro_rules! settings_by_from_str {
    ($($type:ty => $expected:literal),* $(,)?) => {$(
        impl Setting for $type {
            fn parse(text: &str) -> Result<Self, String> {
                from_str(text, $expected)
            }
        }
    )*};
}

settings_by_from_str! {
    bool => "true or false",
    u32 => "a whole number",
    u64 => "a whole number",
    usize => "a whole number",
    SocketAddr => "an address such as 127.0.0.1:50051",
}

impl Setting for f64 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|x: &f64| x.is_finite())
            .ok_or_else(|| "a finite number".to_owned())
    }
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("a text of at least one character".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }
}

impl Setting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("a path".to_owned())
        } else {
            Ok(PathBuf::from(text))
        }
    }
}

impl Setting for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map_err(|_| "a duration such as 15s, 500ms or 24h".to_owned())
    }
}

pub(crate) mod digests;
#[cfg(test)]
mod tests;
