//! What the answers of an analysis hang on.

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
        tools: &std::path::Path,
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
        let mut lint = blake3::Hasher::new();
        lint.update(tools.as_os_str().as_encoded_bytes());
        lint.update(eslint::METHOD.as_bytes());
        if eslint::uses_project(self.project, &configuration) {
            lint.update(b"project");
            lint.update(configuration.files.as_bytes());
            lint.update(configuration.loaded.as_bytes());
        }
        let lint = lint.finalize();
        let mut world = blake3::Hasher::new();
        for hash in [
            sources.hash(),
            configuration.files,
            configuration.dependencies,
        ] {
            world.update(hash.as_bytes());
        }
        let world = world.finalize();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let day = now.map_or(0, |now| now.as_secs() / DAY_SECONDS);
        let head = self
            .project
            .git()
            .and_then(|git| git.head.clone())
            .unwrap_or_default();
        let history = format!("{head} {day}");
        let mut answer = blake3::Hasher::new();
        answer.update(lint.as_bytes());
        answer.update(world.as_bytes());
        answer.update(sources.choice_hash().as_bytes());
        for text in [
            history.clone(),
            coverage::key(self.project.root()),
            self.options.limit.to_string(),
        ] {
            answer.update(text.as_bytes());
            answer.update(&[0]);
        }
        answer.update(&[u8::from(self.project.is_trusted())]);
        answer.update(&[u8::from(self.project.git_refusal().is_some())]);
        Ok(Keys {
            configuration,
            lint,
            world,
            history,
            answer: answer.finalize(),
            typescript_files: sources
                .files
                .iter()
                .filter(|file| is_typescript(&file.path))
                .count(),
        })
    }
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
