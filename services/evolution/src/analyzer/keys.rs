//! What the answers of an analysis hang on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::configuration::{self, Configuration};
use super::run::{Run, blocking};
use super::sources::{Source, Sources};
use super::{coverage, eslint};
use crate::error::EvolutionError;

const DAY_SECONDS: u64 = 24 * 3_600;

/// What the answers hang on.
pub(super) struct Keys {
    pub(super) configuration: Configuration,
    /// Of ESLint's answers, beside the file.
    pub(super) lint: blake3::Hash,
    /// Of answers that may hang on other files.
    pub(super) world: blake3::Hash,
    /// Of the history: the commit and the day.
    pub(super) history: String,
    /// Of the whole answer.
    pub(super) answer: blake3::Hash,
    /// Files of TypeScript.
    pub(super) typescript_files: usize,
}

/// What the stages work from.
pub(super) struct Inputs {
    pub(super) sources: Arc<Sources>,
    pub(super) keys: Keys,
    /// The folder of the tools.
    pub(super) tools: PathBuf,
}

impl Keys {
    /// Of where imports lead.
    pub(super) fn graph(&self, sources: &Sources) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for hash in [
            sources.names_hash(),
            self.configuration.files,
            self.configuration.dependencies,
        ] {
            hasher.update(hash.as_bytes());
        }
        hasher.finalize()
    }
}

impl Run<'_> {
    /// Reads the configurations and joins all that the answers hang on.
    pub(super) async fn keys(
        &self,
        sources: &Arc<Sources>,
        tools: &Path,
    ) -> Result<Keys, EvolutionError> {
        let (root, files) = (self.project.root().to_path_buf(), Arc::clone(sources));
        let is_trusted = self.project.is_trusted();
        let read = move || {
            configuration::read(
                &root,
                files.files.iter().map(|file| file.path.as_str()),
                is_trusted,
            )
        };
        let configuration = blocking(read).await?;
        let lint = self.lint_key(&configuration, tools);
        let world = world_key(&configuration, sources);
        let history = self.history_key();
        let typescript = sources.files.iter().map(|file| file.path.as_str());
        Ok(Keys {
            answer: self.answer_key([lint, world, sources.choice_hash()], &history),
            configuration,
            lint,
            world,
            history,
            typescript_files: typescript.filter(|path| is_typescript(path)).count(),
        })
    }

    fn lint_key(&self, configuration: &Configuration, tools: &Path) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(tools_name(tools));
        hasher.update(eslint::METHOD.as_bytes());
        if eslint::uses_project(self.project, configuration) {
            hasher.update(b"project");
            hasher.update(configuration.files.as_bytes());
            hasher.update(configuration.loaded.as_bytes());
        }
        hasher.finalize()
    }

    fn history_key(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let day = now.map_or(0, |now| now.as_secs() / DAY_SECONDS);
        let head = self.project.git().and_then(|git| git.head.clone());
        format!("{} {day}", head.unwrap_or_default())
    }

    fn answer_key(&self, hashes: [blake3::Hash; 3], history: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for hash in hashes {
            hasher.update(hash.as_bytes());
        }
        for text in [
            history.to_owned(),
            coverage::key(self.project.root()),
            self.options.limit.to_string(),
        ] {
            hasher.update(text.as_bytes());
            hasher.update(&[0]);
        }
        hasher.update(&[u8::from(self.project.is_trusted())]);
        hasher.update(&[u8::from(self.project.git_refusal().is_some())]);
        hasher.finalize()
    }
}

/// Names the tools' packages: their folder is called by their lock file, wherever it is.
pub(super) fn tools_name(tools: &Path) -> &[u8] {
    let name = tools.file_name().unwrap_or(tools.as_os_str());
    name.as_encoded_bytes()
}

fn world_key(configuration: &Configuration, sources: &Sources) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for hash in [
        sources.hash(),
        configuration.files,
        configuration.dependencies,
    ] {
        hasher.update(hash.as_bytes());
    }
    hasher.finalize()
}

fn is_typescript(path: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "ts" | "tsx" | "mts" | "cts")
}

/// The key of a file's answer: its content, its path, and what else the answers hang on.
pub(super) fn file_key(file: &Source, others: &blake3::Hash) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(file.hash.as_bytes());
    hasher.update(others.as_bytes());
    hasher.update(file.path.as_bytes());
    hasher.finalize()
}
