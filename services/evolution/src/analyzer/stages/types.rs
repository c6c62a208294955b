//! The stage of the compiler.

use std::path::Path;
use std::time::Instant;

use shim_proto::evolution::v1::{Finding, ToolRun};

use super::common::tool_run;
use crate::analyzer::cache::KeptTypes;
use crate::analyzer::keys::Keys;
use crate::analyzer::programs::ProgramError;
use crate::analyzer::run::Run;
use crate::analyzer::types::{Compiler, CompilerContext, TypesAnswer, program};
use crate::error::EvolutionError;
use crate::tool_host::HostError;

/// As the tools' lock file pins it.
const TOOL: &str = "tsc 7.0.2";

/// What the compiler told.
#[derive(Default)]
pub(in crate::analyzer) struct Types {
    pub(in crate::analyzer) findings: Vec<Finding>,
    pub(in crate::analyzer) notes: Vec<String>,
    pub(in crate::analyzer) run: Option<ToolRun>,
    /// What the answer hangs on; `None` if there is none.
    pub(super) key: Option<blake3::Hash>,
}

impl Run<'_> {
    /// The types of the whole project, if it has a configuration of TypeScript.
    pub(in crate::analyzer) async fn types(
        &self,
        keys: &Keys,
        tools: &Path,
        known: Option<&KeptTypes>,
    ) -> Result<Types, EvolutionError> {
        let started = Instant::now();
        if keys.configuration.typescript.is_empty() {
            return Ok(Types::default());
        }
        let key = types_key(keys, tools);
        if let Some(kept) = known.filter(|kept| kept.key == key.as_bytes()) {
            let files = keys.typescript_files;
            return Ok(Types {
                findings: kept.findings.clone(),
                notes: kept.notes.clone(),
                run: Some(tool_run(TOOL, started, files, files)),
                key: Some(key),
            });
        }
        self.progress
            .tell("types", "the TypeScript compiler checks", 0, 0);
        let mut types = Types::default();
        let mut run = tool_run(TOOL, started, keys.typescript_files, 0);
        match self.compile(keys, tools).await {
            Ok(answer) => {
                types.findings = answer.findings;
                types.notes = answer.notes;
                types.key = Some(key);
            }
            Err(ProgramError::Cancelled) => return Err(HostError::Cancelled.into()),
            Err(why) => run.failure = why.to_string(),
        }
        run.duration = tool_run(TOOL, started, 0, 0).duration;
        types.run = Some(run);
        Ok(types)
    }

    async fn compile(&self, keys: &Keys, tools: &Path) -> Result<TypesAnswer, ProgramError> {
        let compiler = Compiler {
            program: program(tools),
            tool: TOOL.to_owned(),
        };
        let context = CompilerContext {
            root: self.project.root(),
            groups: &self.context.groups,
            cache: &self.context.cache,
            cancel: self.cancel,
        };
        compiler.check(&context, &keys.configuration).await
    }
}

/// What the compiler's answer hangs on.
fn types_key(keys: &Keys, tools: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(keys.world.as_bytes());
    hasher.update(tools.as_os_str().as_encoded_bytes());
    hasher.finalize()
}
