//! A part of an analysis: what the linters tell of some of the files, for the analysis of the whole to take over.
//!
//! All else needs the whole project and is done by the analysis that comes after its parts: types, imports, duplicates, figures,
//! history, ranking. What parts told has the keys of the cache, so it is taken over only where it is still true.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message;

use super::cache::{Kept, KeptFile};
use super::eslint::LintSaid;
use super::flow::chosen_paths;
use super::run::{Run, blocking};
use super::stages::{Lint, LintWork};
use crate::error::EvolutionError;
use crate::spans::stage;

const ZSTD_LEVEL: i32 = 6;
/// The most that a text unpacks to.
const MAX_BYTES: usize = 64 << 20;

/// What the linters told of a part.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartAnswers {
    /// What ESLint said of each file.
    #[prost(message, repeated, tag = "1")]
    lint: Vec<KeptFile>,
    /// What oxlint said of each file.
    #[prost(message, repeated, tag = "2")]
    fast_lint: Vec<KeptFile>,
    /// Name and version of ESLint.
    #[prost(string, tag = "3")]
    lint_tool: String,
    /// What ESLint said of its configuration.
    #[prost(message, optional, tag = "4")]
    said: Option<LintSaid>,
    /// Why ESLint told nothing, if it failed.
    #[prost(string, tag = "5")]
    failure: String,
}

impl PartAnswers {
    /// How many files it is about.
    pub(crate) fn files(&self) -> usize {
        let fast = self.fast_lint.iter();
        let paths = self.lint.iter().chain(fast).map(|file| &file.path);
        paths.collect::<BTreeSet<_>>().len()
    }

    /// How many findings it has.
    pub(crate) fn findings(&self) -> usize {
        self.lint.iter().map(|file| file.findings.len()).sum()
    }

    /// Why ESLint told nothing; empty if it did not fail.
    pub(crate) fn failure(&self) -> &str {
        &self.failure
    }

    /// As a text of at most `most` bytes, packed; `None` if it is larger.
    pub(crate) fn to_text(&self, most: usize) -> Option<String> {
        let packed = zstd::bulk::compress(&self.encode_to_vec(), ZSTD_LEVEL).ok()?;
        let text = STANDARD_NO_PAD.encode(packed);
        (text.len() <= most).then_some(text)
    }

    /// What [`PartAnswers::to_text`] gave; `None` for any other text.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let packed = STANDARD_NO_PAD.decode(text).ok()?;
        let bytes = zstd::bulk::decompress(&packed, MAX_BYTES).ok()?;
        let answers = Self::decode(bytes.as_slice()).ok()?;
        (!packed.is_empty()).then_some(answers)
    }
}

impl Run<'_> {
    /// Asks the linters about the chosen files, until it is cancelled or nobody listens.
    pub(super) async fn part(self) -> Result<PartAnswers, EvolutionError> {
        self.until_cancelled(Box::pin(self.part_work())).await
    }

    async fn part_work(&self) -> Result<PartAnswers, EvolutionError> {
        let (inputs, _) = stage("find files", self.inputs(&Arc::default())).await?;
        let (cache, root) = (
            self.context.cache.clone(),
            self.project.root().to_path_buf(),
        );
        let mut known = blocking(move || cache.known(&root)).await?;
        let fast_lint = std::mem::take(&mut known.fast_lint);
        let work = LintWork::new(&inputs.sources, &inputs.keys, &mut known);
        let lint = Box::pin(stage("lint", self.lint(work, &inputs.keys)));
        let (lint, fast_lint) = tokio::try_join!(lint, self.fast_lint(&inputs, fast_lint))?;
        let chosen = chosen_paths(&inputs.sources);
        Ok(answers(lint, fast_lint, &chosen))
    }
}

fn answers(lint: Lint, fast_lint: Vec<KeptFile>, chosen: &BTreeSet<&str>) -> PartAnswers {
    let of_part = |mut files: Vec<KeptFile>| {
        files.retain(|file| chosen.contains(file.path.as_str()));
        files
    };
    PartAnswers {
        lint: of_part(lint.files),
        fast_lint: of_part(fast_lint),
        lint_tool: lint.tool,
        said: lint.said,
        failure: lint.run.map(|run| run.failure).unwrap_or_default(),
    }
}

/// Takes over what parts told: it is newer than what is kept.
pub(super) fn adopt(kept: &mut Kept, parts: &[PartAnswers]) {
    let mut said: Option<LintSaid> = None;
    for part in parts {
        replace(&mut kept.lint, &part.lint);
        replace(&mut kept.fast_lint, &part.fast_lint);
        if !part.lint_tool.is_empty() {
            kept.lint_tool.clone_from(&part.lint_tool);
        }
        if let Some(more) = &part.said {
            said.get_or_insert_default().add(more);
        }
    }
    if let Some(said) = said {
        kept.lint_notes = said.notes();
    }
}

fn replace(kept: &mut Vec<KeptFile>, newer: &[KeptFile]) {
    let mut newer: HashMap<&str, &KeptFile> = newer
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    for file in kept.iter_mut() {
        if let Some(new) = newer.remove(file.path.as_str()) {
            file.clone_from(new);
        }
    }
    kept.extend(newer.into_values().cloned());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(path: &str, key: &str) -> KeptFile {
        KeptFile {
            path: path.to_owned(),
            key: key.as_bytes().to_vec(),
            ..KeptFile::default()
        }
    }

    #[test]
    fn what_parts_told_replaces_what_was_kept_and_is_summed() {
        let mut kept = Kept {
            lint: vec![file("a.js", "old"), file("z.js", "old")],
            lint_notes: vec!["stale".to_owned()],
            ..Kept::default()
        };
        let part = |path: &str, ours| PartAnswers {
            lint: vec![file(path, "new")],
            lint_tool: "eslint 10".to_owned(),
            said: Some(LintSaid {
                uses_project: true,
                ours,
                asked: 4,
                ..LintSaid::default()
            }),
            ..PartAnswers::default()
        };
        adopt(&mut kept, &[part("a.js", 1), part("b.js", 2)]);
        kept.lint.sort_by(|one, other| one.path.cmp(&other.path));
        let told = kept.lint.iter();
        let told: Vec<_> = told.map(|it| (&*it.path, &it.key[..])).collect();
        assert_eq!(
            told,
            [("a.js", &b"new"[..]), ("b.js", b"new"), ("z.js", b"old")]
        );
        assert!(kept.lint_notes[0].contains("for 3 of 8 files"), "{kept:?}");
        assert_eq!(kept.lint_tool, "eslint 10");
    }

    #[test]
    fn a_text_holds_all_of_it_or_is_none() {
        let answers = PartAnswers {
            lint: (0..100).map(|at| file(&at.to_string(), "key")).collect(),
            ..PartAnswers::default()
        };
        let text = answers.to_text(1 << 20).unwrap();
        assert_eq!(PartAnswers::from_text(&text), Some(answers.clone()));
        assert_eq!(answers.to_text(text.len() - 1), None);
        for other in ["", "x", "AAAA", &text[..text.len() / 2]] {
            assert_eq!(PartAnswers::from_text(other), None, "{other}");
        }
        assert_eq!((answers.files(), answers.findings()), (100, 0));
    }
}
