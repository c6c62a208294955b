//! The stages that need no ESLint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shim_proto::evolution::v1::{Project, ToolRun, UnreadFile};

use super::code::{Code, facts_key};
use super::common::{path, tool_run};
use super::divided::{Divided, divided};
use crate::analyzer::cache::{KeptFile, Memory};
use crate::analyzer::coverage;
use crate::analyzer::facts::FIGURES_TOOL;
use crate::analyzer::git;
use crate::analyzer::keys::{Inputs, file_key, tools_name};
use crate::analyzer::oxlint::{CONFIG, Oxlint};
use crate::analyzer::programs::ProgramError;
use crate::analyzer::report::CodeFacts;
use crate::analyzer::run::{Run, blocking};
use crate::analyzer::sources::{CHANGED, Source, Sources, texts};
use crate::domain::analysis::coverage::CoverageFacts;
use crate::domain::analysis::history::History;
use crate::domain::analysis::oxlint::OxlintAnswer;
use crate::error::EvolutionError;
use crate::tool_host::HostError;

/// As the tools' lock file pins it.
const TOOL: &str = "oxlint 1.94.0";

/// What the fast tools told.
#[derive(Default)]
pub(in crate::analyzer) struct Fast {
    pub(in crate::analyzer) lint: Vec<KeptFile>,
    pub(in crate::analyzer) unread: Vec<UnreadFile>,
    pub(in crate::analyzer) runs: Vec<ToolRun>,
    pub(in crate::analyzer) notes: Vec<String>,
}

impl Fast {
    /// What is known before the linter and git have answered.
    fn begin(lint: Vec<KeptFile>, unread: Vec<UnreadFile>, run: ToolRun) -> Self {
        Self {
            lint,
            unread,
            runs: vec![run],
            notes: Vec::new(),
        }
    }

    /// What a glance asked the linter and git was not asked again: their runs are those of the glance.
    pub(in crate::analyzer) fn add_runs_of(&mut self, glance: Option<&Self>) {
        for run in glance.map_or(&[][..], |glance| &glance.runs) {
            if FIGURES_TOOL.starts_with(&run.tool) {
                continue;
            }
            self.runs.retain(|other| other.tool != run.tool);
            self.runs.push(run.clone());
        }
    }
}

type Texts = Arc<BTreeMap<String, String>>;

impl Run<'_> {
    /// Facts, imports, duplicates, coverage, oxlint, history.
    pub(in crate::analyzer) async fn quick(
        &self,
        project: Project,
        inputs: &Inputs,
        memory: &mut Memory,
        known: Vec<KeptFile>,
    ) -> Result<(Arc<CodeFacts>, Fast), EvolutionError> {
        let (sources, keys) = (&inputs.sources, &inputs.keys);
        let others = fast_key(&inputs.tools);
        let mut known = divided(&sources.files, known, &others, &keys.world);
        let texts = self.texts(sources, &known.asked, memory).await?;
        let code = self.code(inputs, &texts, memory);
        let (found, linted, history, coverage) = tokio::join!(
            blocking(move || code.find()),
            self.oxlint(&known.asked, &texts, &inputs.tools),
            self.history(known_history(memory, &keys.history)),
            self.coverage(sources),
        );
        let (found, (coverage, coverage_failures)) = (found?, coverage?);
        let held = std::mem::take(&mut known.held);
        let mut fast = Fast::begin(held, found.unread, found.run);
        add_linted(&mut fast, linted?, &known, &texts, &others);
        let history = self.add_history(&mut fast, history?);
        memory.facts = found.facts;
        memory.resolved = found.resolved;
        keep_history(memory, &fast.runs, &keys.history, &history);
        fast.notes.extend(coverage_failures);
        let code = CodeFacts {
            files: found.files,
            cycles: found.cycles,
            duplicates: found.duplicates,
            coverage,
            history,
            limit: self.options.limit,
            project,
        };
        Ok((Arc::new(code), fast))
    }

    /// oxlint alone.
    pub(in crate::analyzer) async fn fast_lint(
        &self,
        inputs: &Inputs,
        known: Vec<KeptFile>,
    ) -> Result<Fast, EvolutionError> {
        let others = fast_key(&inputs.tools);
        let mut known = divided(&inputs.sources.files, known, &others, &inputs.keys.world);
        let (root, asked) = (self.project.root().to_path_buf(), known.asked.clone());
        let read = move || texts(&root, &asked.iter().collect::<Vec<_>>());
        let texts = Arc::new(blocking(read).await?);
        let linted = self.oxlint(&known.asked, &texts, &inputs.tools).await?;
        let mut fast = Fast {
            lint: std::mem::take(&mut known.held),
            ..Fast::default()
        };
        add_linted(&mut fast, linted, &known, &texts, &others);
        Ok(fast)
    }

    fn code(&self, inputs: &Inputs, texts: &Texts, memory: &mut Memory) -> Code {
        Code {
            root: self.project.root().to_path_buf(),
            sources: Arc::clone(&inputs.sources),
            texts: Arc::clone(texts),
            graph_key: inputs.keys.graph(&inputs.sources),
            facts: std::mem::take(&mut memory.facts),
            resolved: std::mem::take(&mut memory.resolved),
            cancel: self.cancel.clone(),
        }
    }

    /// The coverage of the chosen files, and notes on reports that cannot be read.
    async fn coverage(
        &self,
        sources: &Arc<Sources>,
    ) -> Result<(Option<CoverageFacts>, Vec<String>), EvolutionError> {
        let (root, sources) = (self.project.root().to_path_buf(), Arc::clone(sources));
        let find = move || coverage::find(&root, sources.chosen().map(|file| file.path.clone()));
        let (facts, failures) = blocking(find).await?;
        let notes = failures
            .into_iter()
            .map(|(report, why)| format!("{report} cannot be read: {why}"));
        Ok((facts, notes.collect()))
    }

    /// The texts of files that oxlint is asked about, and of those whose facts are not known.
    async fn texts(
        &self,
        sources: &Sources,
        asked: &[Source],
        memory: &Memory,
    ) -> Result<Texts, EvolutionError> {
        let unknown = sources
            .files
            .iter()
            .filter(|file| !memory.facts.contains_key(&facts_key(file)));
        let wanted = asked.iter().chain(unknown);
        let wanted: BTreeMap<&str, &Source> =
            wanted.map(|file| (file.path.as_str(), file)).collect();
        let wanted: Vec<Source> = wanted.into_values().cloned().collect();
        let root = self.project.root().to_path_buf();
        let texts = blocking(move || texts(&root, &wanted.iter().collect::<Vec<_>>())).await?;
        Ok(Arc::new(texts))
    }

    async fn oxlint(
        &self,
        asked: &[Source],
        texts: &Texts,
        tools: &Path,
    ) -> Result<(OxlintAnswer, ToolRun), EvolutionError> {
        let started = Instant::now();
        let mut run = tool_run(TOOL, started, asked.len(), 0);
        let files: BTreeMap<&str, &str> = asked
            .iter()
            .filter_map(|file| Some((file.path.as_str(), texts.get(&file.path)?.as_str())))
            .collect();
        if files.is_empty() {
            return Ok((OxlintAnswer::default(), run));
        }
        self.progress.tell(
            "lint",
            format!("oxlint: {} files", files.len()),
            0,
            files.len() as u64,
        );
        let program = self.oxlint_program(tools).await?;
        let answer = program
            .lint(
                self.project.root(),
                &files,
                &self.context.groups,
                self.cancel,
            )
            .await;
        run.duration = tool_run(TOOL, started, 0, 0).duration;
        match answer {
            Ok(answer) => Ok((answer, run)),
            Err(ProgramError::Cancelled) => Err(HostError::Cancelled.into()),
            Err(why) => {
                run.failure = why.to_string();
                Ok((OxlintAnswer::default(), run))
            }
        }
    }

    async fn oxlint_program(&self, tools: &Path) -> Result<Oxlint<'_>, EvolutionError> {
        let host = &self.context.host;
        let scripts = host.scripts_dir(&self.progress, self.cancel).await?;
        Ok(Oxlint {
            node: host.node().await?,
            script: scripts.join("oxlint.mjs"),
            package: tools.join("node_modules/oxlint"),
            standby: &self.context.standby,
            config: self.context.oxlint_config.clone(),
            tool: TOOL.to_owned(),
        })
    }

    pub(super) async fn history(
        &self,
        known: Option<Arc<History>>,
    ) -> Result<(Arc<History>, Option<ToolRun>), EvolutionError> {
        let started = Instant::now();
        if let Some(known) = known {
            return Ok((known, None));
        }
        let none = Arc::new(History::default());
        if self.project.git().is_none_or(|git| git.head.is_none()) {
            return Ok((none, None));
        }
        self.progress
            .tell("history", "reading the history of a year", 0, 0);
        let read = git::history(self.project.root(), &self.context.groups, self.cancel).await;
        let mut run = tool_run("git ", started, 0, 0);
        match read {
            Ok(history) => {
                run.files = history.files.len() as u64;
                Ok((Arc::new(history), Some(run)))
            }
            Err(ProgramError::Cancelled) => Err(HostError::Cancelled.into()),
            Err(why) => {
                run.failure = why.to_string();
                Ok((none, Some(run)))
            }
        }
    }
    /// Notes why there is no history, if there is none.
    pub(super) fn add_history(
        &self,
        fast: &mut Fast,
        (history, run): (Arc<History>, Option<ToolRun>),
    ) -> Arc<History> {
        fast.runs.extend(run);
        let has_commit = self.project.git().is_some_and(|git| git.head.is_some());
        if let Some(refusal) = self.project.git_refusal() {
            fast.notes.push(format!("there is no history: {refusal}"));
        } else if history.commits == 0 && !has_commit {
            fast.notes.push("there is no history, so no hotspots: the project is in no git repository, or has no commit".to_owned());
        } else if history.commits == 0 {
            fast.notes.push(
                "there are no hotspots: no commit of the last twelve months touched the project"
                    .to_owned(),
            );
        }
        history
    }
}

/// What oxlint's answers hang on beside the file.
fn fast_key(tools: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tools_name(tools));
    hasher.update(CONFIG.as_bytes());
    hasher.finalize()
}

fn add_linted(
    fast: &mut Fast,
    (answer, mut run): (OxlintAnswer, ToolRun),
    known: &Divided,
    texts: &Texts,
    others: &blake3::Hash,
) {
    let asked = &known.asked;
    run.cached_files = known.cached as u64;
    run.files += run.cached_files;
    let has_failed = !run.failure.is_empty();
    fast.runs.push(run);
    if has_failed {
        return;
    }
    let mut files: BTreeMap<String, KeptFile> = BTreeMap::new();
    for file in asked.iter().filter(|file| texts.contains_key(&file.path)) {
        let key = file_key(file, others).as_bytes().to_vec();
        let kept = KeptFile {
            path: file.path.clone(),
            key,
            ..KeptFile::default()
        };
        files.insert(file.path.clone(), kept);
    }
    for finding in answer.findings {
        if let Some(file) = files.get_mut(path(&finding)) {
            file.findings.push(finding);
        }
    }
    for unread in answer.unparsed {
        if let Some(file) = files.get_mut(&unread.path) {
            file.unread = Some(unread);
        }
    }
    fast.lint.extend(files.into_values());
    let gone = asked.iter().filter(|file| !texts.contains_key(&file.path));
    fast.unread
        .extend(gone.map(|file| crate::analyzer::eslint::unread(&file.path, TOOL, CHANGED)));
}

/// The history that was read before, if it is of this key.
pub(super) fn known_history(memory: &Memory, key: &str) -> Option<Arc<History>> {
    let (of, history) = memory.history.as_ref()?;
    (of == key).then(|| Arc::clone(history))
}

/// Keeps a history for the next analysis, unless git failed.
pub(super) fn keep_history(
    memory: &mut Memory,
    runs: &[ToolRun],
    key: &str,
    history: &Arc<History>,
) {
    let has_failed = |run: &ToolRun| run.tool == "git" && !run.failure.is_empty();
    if !runs.iter().any(has_failed) {
        memory.history = Some((key.to_owned(), Arc::clone(history)));
    }
}
