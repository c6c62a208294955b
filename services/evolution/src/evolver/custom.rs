//! A user's own jscodeshift transform: run over committed sources, and refused where it renames an export.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::json;
use shim_proto::evolution::v1::{Evolution, Project as ProjectMessage, Risk, UnreadFile};
use tokio_util::sync::CancellationToken;

use super::checks::{CheckedFile, CheckedText};
use super::context::Evolver;
use super::draft::{Draft, RuleResult};
use super::options::CustomTransform;
use super::sources::{Source, batches};
use crate::domain::evolution::{CUSTOM, unified};
use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::{HostCall, HostError, ProgressSink};

#[derive(Debug, Deserialize)]
struct CustomAnswer {
    files: Vec<Changed>,
    failed: Vec<Failed>,
}

#[derive(Debug, Deserialize)]
struct Changed {
    path: String,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Failed {
    path: String,
    reason: String,
}

impl Evolver {
    pub(super) async fn by_custom(
        &self,
        project: &Project,
        custom: &CustomTransform,
        sources: &[Source],
        unread: &mut Vec<UnreadFile>,
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<Draft, EvolutionError> {
        if !custom.path.is_file() {
            return Err(EvolutionError::CustomTransform {
                path: custom.path.display().to_string(),
                why: "is no file".to_owned(),
            });
        }
        let mut draft = Draft::default();
        let mut done = 0;
        for batch in batches(sources) {
            let steps = Steps::new(progress, done, sources.len());
            let answer = self
                .run_custom(project, custom, batch, (&steps, cancel))
                .await?;
            let failed = answer
                .failed
                .into_iter()
                .map(|file| told(file.path, file.reason));
            unread.extend(failed);
            let changed = changed_sources(answer.files, batch);
            self.take_changed(project, changed, (&mut draft, unread), (progress, cancel))
                .await?;
            done += batch.len();
        }
        Ok(draft)
    }

    /// Adds what still parses and exports the same; the rest is told as unread.
    async fn take_changed(
        &self,
        project: &Project,
        changed: Vec<(&Source, String)>,
        (draft, unread): (&mut Draft, &mut Vec<UnreadFile>),
        handles: (&ProgressSink, &CancellationToken),
    ) -> Result<(), EvolutionError> {
        let texts = changed.iter().map(|(source, after)| CheckedText {
            path: &source.path,
            before: Some(&source.text),
            after,
        });
        let checked = self.views(project, texts.collect(), handles).await?;
        for ((source, after), view) in changed.into_iter().zip(checked) {
            match refusal(&view) {
                Some(reason) => unread.push(told(source.path.clone(), reason)),
                None => draft.add(source, as_result(source, after)),
            }
        }
        Ok(())
    }

    async fn run_custom(
        &self,
        project: &Project,
        custom: &CustomTransform,
        batch: &[Source],
        (steps, cancel): (&Steps, &CancellationToken),
    ) -> Result<CustomAnswer, EvolutionError> {
        let files: Vec<_> = batch
            .iter()
            .map(|source| json!({"path": source.path, "text": source.text}))
            .collect();
        let call = HostCall {
            method: "transform_custom",
            params: json!({"root": project.root(), "transform": custom.path, "options": custom.options, "files": files}),
            limit: self.limits.tool,
            runs_project_code: true,
        };
        let silence = self.limits.custom_file;
        let answered = self
            .host
            .call_transform(project, call, silence, &steps.sink, cancel)
            .await;
        answered.map_err(|error| steps.explained(custom, error))
    }
}

/// What a transform is at: told to the caller, and remembered for the error if it does not come on.
struct Steps {
    sink: ProgressSink,
    last: Arc<Mutex<String>>,
}

impl Steps {
    /// `done` files of `total` are through already.
    fn new(progress: &ProgressSink, done: usize, total: usize) -> Self {
        let (told, last) = (progress.clone(), Arc::new(Mutex::new(String::new())));
        let at = Arc::clone(&last);
        let sink = ProgressSink::new(move |step| {
            let done = done as u64 + step.done;
            told.tell(
                "transform",
                format!("{}; {done} of {total} files are done", step.text),
                done,
                total as u64,
            );
            *at.lock().unwrap_or_else(PoisonError::into_inner) = step.text;
        });
        Self { sink, last }
    }

    /// A failure of the host, as one of the transform where it is that.
    fn explained(&self, custom: &CustomTransform, error: EvolutionError) -> EvolutionError {
        let step = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |how: String| format!("{how} at this step: {step}");
        let why = match error {
            EvolutionError::Host(HostError::ToolFailed { message, .. }) => message,
            EvolutionError::Host(
                HostError::Silent { limit, .. } | HostError::TimedOut { limit, .. },
            ) => at(format!(
                "it did not come to an end within {} s and was ended,",
                limit.as_secs_f64()
            )),
            EvolutionError::Host(HostError::OutOfMemory { limit_mib, .. }) => at(format!(
                "it needs more than {limit_mib} MiB of memory and was ended,"
            )),
            EvolutionError::Host(HostError::Died { how, .. }) => {
                at(format!("it ended the process that it ran in ({how})"))
            }
            other => return other,
        };
        EvolutionError::CustomTransform {
            path: custom.path.display().to_string(),
            why,
        }
    }
}

/// The sources of a batch that a transform changed, with their new texts.
fn changed_sources(files: Vec<Changed>, batch: &[Source]) -> Vec<(&Source, String)> {
    let pairs = files.into_iter().filter_map(|file| {
        let source = batch.iter().find(|source| source.path == file.path)?;
        Some((source, file.text))
    });
    pairs.collect()
}

fn told(path: String, reason: String) -> UnreadFile {
    UnreadFile {
        path,
        tool: "jscodeshift".to_owned(),
        reason,
    }
}

/// Why the result of a transform is not proposed.
fn refusal(view: &CheckedFile) -> Option<String> {
    if let Some(error) = view.errors.first() {
        return Some(format!(
            "the transform leaves a text that does not parse: line {}: {}",
            error.line, error.text
        ));
    }
    view.export_change()
        .map(|change| format!("the transform changes what the file exports: {change}"))
}

/// What a custom transform does to a file, in the form of a rule: each block of changed lines is meant.
fn as_result(source: &Source, after: String) -> RuleResult {
    let diff = unified(&source.path, Some(&source.text), &after);
    let meant = changed_lines(&diff.text);
    RuleResult {
        rule: CUSTOM.to_owned(),
        text: after,
        changes: u32::try_from(meant.len()).unwrap_or(u32::MAX),
        functions: Vec::new(),
        meant,
        refusals: Vec::new(),
        refused: 0,
    }
}

/// Blocks of old lines that a diff deletes or stands something before.
pub(super) fn changed_lines(diff: &str) -> Vec<(u32, u32)> {
    let mut blocks: Vec<(u32, u32)> = Vec::new();
    let mut line: u32 = 0;
    for text in diff.lines().skip(2) {
        let mut note = |at: u32| match blocks.last_mut() {
            Some(last) if last.1 + 1 >= at => last.1 = last.1.max(at),
            _ => blocks.push((at, at)),
        };
        match text.as_bytes().first() {
            Some(b'@') => {
                let first = text.trim_start_matches("@@ -").split([',', ' ']).next();
                line = first.and_then(|first| first.parse().ok()).unwrap_or(line);
            }
            Some(b'-') => {
                note(line);
                line += 1;
            }
            Some(b'+') => note(line.saturating_sub(1).max(1)),
            Some(b' ') => line += 1,
            _ => {}
        }
    }
    blocks
}

/// The evolution of a user's transform, if it changes something.
pub(super) fn evolution(
    project: &ProjectMessage,
    custom: &CustomTransform,
    draft: Draft,
) -> Option<Evolution> {
    if draft.files.is_empty() {
        return None;
    }
    let summary = draft.summary();
    Some(Evolution {
        project: Some(project.clone()),
        transform: CUSTOM.to_owned(),
        risk: Risk::High.into(),
        why: format!(
            "The transform {} changes it. What it means is known to its author alone. {summary}",
            custom.path.display()
        ),
        refusals: draft.refusals,
        files: draft.files,
        ..Evolution::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_changed_lines_are_found() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
        let after = "a\nB\nc\nd\ne\nf\ng\nh\ni\nnew\nj\n";
        let diff = unified("a.js", Some(before), after);
        assert_eq!(changed_lines(&diff.text), [(2, 2), (9, 9)]);
    }
}
