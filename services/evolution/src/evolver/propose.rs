//! Proposals: what each transform would change, as a diff, with what it refuses.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use shim_proto::evolution::v1::{
    Evolution, EvolveCodeSummary, Project as ProjectMessage, RefusedTransform, UnreadFile,
};
use tokio_util::sync::CancellationToken;

use super::context::Evolver;
use super::custom;
use super::draft::{Draft, RuleResult};
use super::options::EvolveOptions;
use super::repository::Repository;
use super::sources::{self, Source, batches};
use crate::domain::evolution::{KnownPlaces, catalog, entry};
use crate::error::EvolutionError;
use crate::patterns::PatternEngine;
use crate::project::Project;
use crate::spans::stage;
use crate::store::EvolutionFilter;
use crate::tool_host::{HostCall, ProgressSink};

/// Refused places that are told of a transform that changes nothing.
const MAX_EXAMPLES: usize = 3;
/// The newest evolutions of a project that are looked through for places to leave out.
const MAX_KNOWN: u32 = 1_000;

/// Proposals, best first, and the end of the call.
#[derive(Debug)]
pub(crate) struct Proposals {
    pub(crate) evolutions: Vec<Evolution>,
    pub(crate) summary: EvolveCodeSummary,
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
        let handles = (progress, cancel);
        let names = chosen(options)?;
        let repository = Repository::of(project)?;
        progress.tell("files", "reading what is committed", 0, 0);
        let found = project.source_files(&options.include).await?;
        let mut message = project.to_message();
        found.describe(&mut message);
        let read = sources::committed(project, &found, &repository).await?;
        let (sources, mut unread) = (read.sources, read.unread);
        let known = self.known_places(options, &message.root).await?;
        let by_rules = self.by_rules(project, (&names, &known), &sources, &mut unread, handles);
        let mut drafts = stage("transform", by_rules).await?;
        let mut proposals = evolutions(&message, &mut drafts);
        if let Some(custom) = &options.custom {
            let made = self
                .by_custom(project, custom, &sources, &mut unread, handles)
                .await?;
            proposals.extend(custom::evolution(&message, custom, made));
        }
        let evolutions = self.kept(proposals, options.limit).await?;
        let summary = EvolveCodeSummary {
            refused: refused(&drafts),
            without_changes: without_changes(names, &drafts),
            project: Some(message),
            unread_files: unread,
            proposals: u32::try_from(evolutions.len()).unwrap_or(u32::MAX),
        };
        Ok(Proposals {
            evolutions,
            summary,
        })
    }

    /// Places to leave out.
    async fn known_places(
        &self,
        options: &EvolveOptions,
        root: &str,
    ) -> Result<KnownPlaces, EvolutionError> {
        if !options.only_new {
            return Ok(KnownPlaces::default());
        }
        let of_project = EvolutionFilter {
            root: Some(root.to_owned()),
            ..EvolutionFilter::default()
        };
        let found = self.store.list_evolutions(of_project, MAX_KNOWN).await?;
        Ok(KnownPlaces::of(found.into_iter().map(|(_, known)| known)))
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
        (names, known): (&[String], &KnownPlaces),
        sources: &[Source],
        unread: &mut Vec<UnreadFile>,
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<BTreeMap<String, Draft>, EvolutionError> {
        let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
        if names.is_empty() {
            return Ok(drafts);
        }
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
            take((answer, known), batch, &mut drafts, unread);
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

/// The transforms that found nothing to change.
fn without_changes(names: Vec<String>, drafts: &BTreeMap<String, Draft>) -> Vec<String> {
    let is_empty = |name: &String| drafts.get(name).is_none_or(|draft| draft.files.is_empty());
    names.into_iter().filter(is_empty).collect()
}

/// The transforms that found places to change, and changed none of them.
fn refused(drafts: &BTreeMap<String, Draft>) -> Vec<RefusedTransform> {
    let without = drafts
        .iter()
        .filter(|(_, draft)| draft.files.is_empty() && draft.refused > 0);
    let told = without.map(|(name, draft)| RefusedTransform {
        transform: name.clone(),
        places: draft.refused as u64,
        examples: draft.refusals.iter().take(MAX_EXAMPLES).cloned().collect(),
    });
    told.collect()
}

fn take(
    (answer, known): (TransformAnswer, &KnownPlaces),
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
        let results = file.results.into_iter();
        for result in results.filter(|it| !known.has(&it.rule, &source.path, &source.object)) {
            drafts
                .entry(result.rule.clone())
                .or_default()
                .add(source, result);
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
