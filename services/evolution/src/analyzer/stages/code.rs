//! The stage of the code itself: facts of each file, imports, duplicates.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use shim_proto::evolution::v1::{Duplicate, ImportCycle, ToolRun, UnreadFile};
use tokio_util::sync::CancellationToken;

use super::common::tool_run;
use crate::analyzer::eslint;
use crate::analyzer::facts::{self, FIGURES_TOOL};
use crate::analyzer::graph::{self, Resolved};
use crate::analyzer::report::{Fact, chosen_cycles, chosen_duplicates};
use crate::analyzer::sources::{CHANGED, Source, Sources};
use crate::domain::analysis::facts::{FileFacts, Import};

/// What the stage works on.
pub(super) struct Code {
    pub(super) root: PathBuf,
    pub(super) sources: Arc<Sources>,
    pub(super) texts: Arc<BTreeMap<String, String>>,
    /// What the targets of imports hang on.
    pub(super) graph_key: blake3::Hash,
    pub(super) facts: HashMap<blake3::Hash, Arc<FileFacts>>,
    pub(super) resolved: Resolved,
    /// Set when nobody waits for it any more.
    pub(super) cancel: CancellationToken,
}

/// What it found.
pub(super) struct Found {
    pub(super) files: Vec<Fact>,
    pub(super) cycles: Vec<ImportCycle>,
    pub(super) duplicates: Vec<Duplicate>,
    pub(super) unread: Vec<UnreadFile>,
    pub(super) run: ToolRun,
    /// What is kept for the next analysis.
    pub(super) facts: HashMap<blake3::Hash, Arc<FileFacts>>,
    pub(super) resolved: Resolved,
}

/// The facts of all files that have some.
pub(super) struct Measured {
    pub(super) files: Vec<Fact>,
    pub(super) unread: Vec<UnreadFile>,
    pub(super) kept: HashMap<blake3::Hash, Arc<FileFacts>>,
    pub(super) run: ToolRun,
}

impl Code {
    pub(super) fn find(mut self) -> Found {
        let measured = self.measure();
        let files = measured.files;
        let imports: Vec<(&str, &[Import])> = files
            .iter()
            .map(|fact| (fact.path.as_str(), &fact.facts.imports[..]))
            .collect();
        let (resolved, root, key) = (&mut self.resolved, &self.root, self.graph_key);
        let cycles = || chosen_cycles(&files, &graph::graph(root, &imports, key, resolved));
        let (cycles, duplicates) = rayon::join(cycles, || chosen_duplicates(&files));
        Found {
            cycles,
            duplicates,
            unread: measured.unread,
            run: measured.run,
            facts: measured.kept,
            resolved: self.resolved,
            files,
        }
    }

    /// The facts of all files.
    pub(super) fn measure(&self) -> Measured {
        let started = Instant::now();
        let sources = &self.sources.files;
        let read: Vec<(blake3::Hash, Result<Arc<FileFacts>, String>)> = sources
            .par_iter()
            .map(|file| (facts_key(file), self.of(file)))
            .collect();
        let is_known = |(key, _): &&(blake3::Hash, _)| self.facts.contains_key(key);
        let cached = read.iter().filter(is_known).count();
        let (mut files, mut unread, mut kept) = (Vec::new(), Vec::new(), HashMap::new());
        for (file, (key, facts)) in sources.iter().zip(read) {
            match facts {
                Ok(facts) => {
                    kept.insert(key, Arc::clone(&facts));
                    files.push(Fact {
                        path: file.path.clone(),
                        is_chosen: file.is_chosen,
                        facts,
                    });
                }
                Err(why) => unread.push(eslint::unread(&file.path, FIGURES_TOOL, &why)),
            }
        }
        Measured {
            run: tool_run(FIGURES_TOOL, started, files.len(), cached),
            files,
            unread,
            kept,
        }
    }

    fn of(&self, file: &Source) -> Result<Arc<FileFacts>, String> {
        if let Some(known) = self.facts.get(&facts_key(file)) {
            return Ok(Arc::clone(known));
        }
        let text = self.texts.get(&file.path).ok_or(CHANGED)?;
        let is_stopped = || self.cancel.is_cancelled();
        facts::read(facts::language(&file.path), text, &is_stopped).map(Arc::new)
    }
}

/// Equal contents in the same grammar have the same facts.
pub(super) fn facts_key(file: &Source) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(facts::language(&file.path).name().as_bytes());
    hasher.update(file.hash.as_bytes());
    hasher.finalize()
}
