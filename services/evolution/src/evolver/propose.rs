//! Proposals: what each transform would change, as a diff, with what it refuses.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};
use shim_proto::evolution::v1::{
    Evolution, EvolveCodeSummary, FileChange, LineRange, Location, Project as ProjectMessage,
    Refusal, UnreadFile,
};
use tokio_util::sync::CancellationToken;

use super::Evolver;
use super::repository::Repository;
use super::sources::{self, Source};
use crate::domain::evolution::{catalog, entry, unified};
use crate::error::EvolutionError;
use crate::patterns::PatternEngine;
use crate::project::Project;
use crate::tool_host::{HostCall, ProgressSink};

/// What one call of the tool host gets.
const BATCH_FILES: usize = 50;
const BATCH_BYTES: usize = 2 << 20;
/// What one evolution holds; more is proposed once it is decided.
const MAX_FILES: usize = 300;
const MAX_DIFF_BYTES: usize = 2 << 20;
const MAX_REFUSALS: usize = 100;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct EvolveOptions {
    /// Files and folders; all if empty.
    pub(crate) include: Vec<String>,
    /// Names of transforms; all if empty, but none if there is a custom one.
    pub(crate) transforms: Vec<String>,
    /// The user's own transform.
    pub(crate) custom: Option<CustomTransform>,
    /// The most proposals.
    pub(crate) limit: usize,
}

/// A user's own transform for jscodeshift.
#[derive(Debug, Clone)]
pub(crate) struct CustomTransform {
    /// Its file, absolute.
    pub(crate) path: PathBuf,
    /// Its options.
    pub(crate) options: Value,
}

/// Proposals, best first, and the end of the call.
#[derive(Debug)]
pub(crate) struct Proposals {
    pub(crate) evolutions: Vec<Evolution>,
    pub(crate) summary: EvolveCodeSummary,
}

/// What a transform does to one file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RuleResult {
    pub(super) rule: String,
    pub(super) text: String,
    pub(super) changes: u32,
    pub(super) functions: Vec<String>,
    pub(super) meant: Vec<(u32, u32)>,
    pub(super) refusals: Vec<RuleRefusal>,
    pub(super) refused: usize,
}

/// A place that a transform left.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RuleRefusal {
    line: u32,
    column: u32,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct TransformAnswer {
    files: Vec<FileAnswer>,
    unread: Vec<Unread>,
}

#[derive(Debug, Deserialize)]
struct FileAnswer {
    path: String,
    results: Vec<RuleResult>,
    failed: Vec<FailedRule>,
}

#[derive(Debug, Deserialize)]
struct FailedRule {
    rule: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Unread {
    path: String,
    reason: String,
}

/// An evolution as it grows, file by file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) files: Vec<FileChange>,
    pub(super) refusals: Vec<Refusal>,
    /// Places refused, those that are not listed too.
    pub(super) refused: usize,
    /// Files with changes for which there was no room.
    pub(super) left_files: usize,
    bytes: usize,
}

impl Evolver {
    /// Prepares changes of a project and touches nothing: one evolution for each transform that finds something. They are kept and
    /// ranked by what became of others like them.
    ///
    /// # Errors
    /// If the project has no commit, a transform is not known, a tool fails or the call is cancelled.
    pub(crate) async fn propose(
        &self,
        project: &Project,
        options: &EvolveOptions,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<Proposals, EvolutionError> {
        let names = chosen(options)?;
        let repository = Repository::of(project)?;
        progress.tell("files", "reading what is committed", 0, 0);
        let found = project.source_files(&options.include).await?;
        let mut message = project.to_message();
        found.describe(&mut message);
        let sources = sources::committed(project, &found, &repository).await?;
        let mut unread = sources.unread;
        let mut drafts = BTreeMap::new();
        if !names.is_empty() {
            drafts = self
                .by_rules(
                    project,
                    &names,
                    &sources.sources,
                    &mut unread,
                    (progress, cancel),
                )
                .await?;
        }
        let mut proposals = evolutions(&message, &mut drafts);
        if let Some(custom) = &options.custom {
            let made = self
                .by_custom(
                    project,
                    custom,
                    &sources.sources,
                    &mut unread,
                    (progress, cancel),
                )
                .await?;
            proposals.extend(super::custom::evolution(&message, custom, made));
        }
        let without_changes = names
            .iter()
            .filter(|name| drafts.get(*name).is_none_or(|draft| draft.files.is_empty()));
        let mut summary = EvolveCodeSummary {
            without_changes: without_changes.cloned().collect(),
            project: Some(message),
            unread_files: unread,
            ..EvolveCodeSummary::default()
        };
        let evolutions = self.kept(proposals, options.limit).await?;
        summary.proposals = u32::try_from(evolutions.len()).unwrap_or(u32::MAX);
        Ok(Proposals {
            evolutions,
            summary,
        })
    }

    /// The best proposals, under ids.
    async fn kept(
        &self,
        mut proposals: Vec<Evolution>,
        limit: usize,
    ) -> Result<Vec<Evolution>, EvolutionError> {
        PatternEngine::load(&self.store, None)
            .await?
            .rank(&mut proposals);
        proposals.truncate(limit.max(1));
        let mut kept = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            kept.push(self.store.insert_proposal(proposal).await?);
        }
        Ok(kept)
    }

    async fn by_rules(
        &self,
        project: &Project,
        names: &[String],
        sources: &[Source],
        unread: &mut Vec<UnreadFile>,
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<BTreeMap<String, Draft>, EvolutionError> {
        let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
        let mut done = 0;
        for batch in batches(sources) {
            progress.tell(
                "transform",
                format!("{} of {} files", done, sources.len()),
                done as u64,
                sources.len() as u64,
            );
            let files: Vec<Value> = batch
                .iter()
                .map(|source| json!({"path": source.path, "text": source.text}))
                .collect();
            let call = HostCall {
                method: "transform",
                params: json!({"root": project.root(), "files": files, "rules": names}),
                limit: self.limits.tool,
                runs_project_code: false,
            };
            let answer: TransformAnswer = self.host.call(project, call, progress, cancel).await?;
            take(answer, batch, &mut drafts, unread);
            done += batch.len();
        }
        Ok(drafts)
    }
}

/// The transforms that are asked for.
fn chosen(options: &EvolveOptions) -> Result<Vec<String>, EvolutionError> {
    if let Some(unknown) = options.transforms.iter().find(|name| entry(name).is_none()) {
        return Err(EvolutionError::TransformUnknown(unknown.clone()));
    }
    if !options.transforms.is_empty() || options.custom.is_some() {
        let mut names = options.transforms.clone();
        names.sort();
        names.dedup();
        return Ok(names);
    }
    Ok(catalog().iter().map(|entry| entry.name.clone()).collect())
}

/// Sources in parts that one call takes.
pub(super) fn batches(sources: &[Source]) -> Vec<&[Source]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, source) in sources.iter().enumerate() {
        if index > start
            && (index - start >= BATCH_FILES || bytes + source.text.len() > BATCH_BYTES)
        {
            parts.push(&sources[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += source.text.len();
    }
    if start < sources.len() {
        parts.push(&sources[start..]);
    }
    parts
}

fn take(
    answer: TransformAnswer,
    batch: &[Source],
    drafts: &mut BTreeMap<String, Draft>,
    unread: &mut Vec<UnreadFile>,
) {
    let told = |path: String, tool: String, reason: String| UnreadFile { path, tool, reason };
    unread.extend(
        answer
            .unread
            .into_iter()
            .map(|file| told(file.path, "typescript".to_owned(), file.reason)),
    );
    for file in answer.files {
        let Some(source) = batch.iter().find(|source| source.path == file.path) else {
            continue;
        };
        for failed in file.failed {
            unread.push(told(file.path.clone(), failed.rule, failed.reason));
        }
        for result in file.results {
            drafts
                .entry(result.rule.clone())
                .or_default()
                .add(source, result);
        }
    }
}

impl Draft {
    /// Adds what a transform does to a file.
    pub(super) fn add(&mut self, source: &Source, result: RuleResult) {
        self.refused += result.refused;
        for refusal in result.refusals {
            if self.refusals.len() < MAX_REFUSALS {
                self.refusals.push(refusal.to_message(&source.path));
            }
        }
        if result.changes == 0 || result.text == source.text {
            return;
        }
        let diff = unified(&source.path, Some(&source.text), &result.text);
        if self.files.len() >= MAX_FILES
            || (self.bytes + diff.text.len() > MAX_DIFF_BYTES && !self.files.is_empty())
        {
            self.left_files += 1;
            return;
        }
        self.bytes += diff.text.len();
        let meant = result
            .meant
            .into_iter()
            .map(|(first, last)| LineRange { first, last });
        self.files.push(FileChange {
            path: source.path.clone(),
            diff: diff.text,
            functions: result.functions,
            deleted_lines: diff.deleted,
            added_lines: diff.added,
            changes: result.changes,
            is_new: false,
            base: source.object.clone(),
            meant: meant.collect(),
        });
    }

    /// How much it holds, one sentence or more.
    pub(super) fn summary(&self) -> String {
        let places: u64 = self.files.iter().map(|file| u64::from(file.changes)).sum();
        let files = self.files.len();
        let mut text = format!(
            "{} in {}.",
            counted(places, "place"),
            counted(files as u64, "file")
        );
        if self.refused > 0 {
            text.push_str(&format!(
                " {} left, since nothing proves that meaning stays.",
                counted(self.refused as u64, "place")
            ));
        }
        if self.left_files > 0 {
            text.push_str(&format!(
                " {} with changes found no room: propose again once this is decided.",
                counted(self.left_files as u64, "file")
            ));
        }
        text
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

impl RuleRefusal {
    fn to_message(&self, path: &str) -> Refusal {
        Refusal {
            location: Some(Location {
                path: path.to_owned(),
                line: self.line,
                column: self.column,
                ..Location::default()
            }),
            reason: self.reason.clone(),
        }
    }
}

/// The evolutions of all drafts that change something.
fn evolutions(project: &ProjectMessage, drafts: &mut BTreeMap<String, Draft>) -> Vec<Evolution> {
    let with_changes = drafts
        .iter_mut()
        .filter(|(_, draft)| !draft.files.is_empty());
    let made = with_changes.filter_map(|(name, draft)| {
        let entry = entry(name)?;
        Some(Evolution {
            project: Some(project.clone()),
            transform: name.clone(),
            risk: entry.risk().into(),
            why: format!("{} {}", entry.why, draft.summary()),
            refusals: std::mem::take(&mut draft.refusals),
            files: draft.files.clone(),
            ..Evolution::default()
        })
    });
    made.collect()
}
