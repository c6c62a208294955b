//! What the compiler's host is asked for: functions with inputs, and modules with all their mutants.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::context::Tools;
use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::HostCall;

const LIMIT: Duration = Duration::from_secs(180);

#[derive(Debug, Deserialize)]
struct Found {
    modules: Vec<FoundModule>,
}

/// A module and what it exports.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FoundModule {
    pub(super) path: String,
    /// Why it was not read; empty if it was.
    #[serde(default)]
    pub(super) fault: String,
    #[serde(default)]
    pub(super) is_esm: bool,
    #[serde(default)]
    pub(super) functions: Vec<FoundFunction>,
}

/// An exported function. Places are in UTF-16 units.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FoundFunction {
    /// Given once all are known.
    #[serde(default)]
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) exported: String,
    pub(super) access: String,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) parameters: Vec<FoundParameter>,
    /// Inputs worth trying, as sources of arguments.
    pub(super) cases: Vec<Vec<String>>,
    /// Random inputs.
    pub(super) table: Vec<Vec<String>>,
    /// What no input can be made for; empty if all can.
    pub(super) needs: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct FoundParameter {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
struct Made {
    modules: Vec<Instrumented>,
}

/// A module in which each mutant can be chosen, and which counts its statements.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Instrumented {
    pub(super) path: String,
    pub(super) fault: String,
    pub(super) text: String,
    pub(super) mutants: Vec<Mutant>,
    pub(super) statements: Vec<Statement>,
}

/// A change of a function that its tests should notice.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Mutant {
    pub(super) id: u32,
    pub(super) f: u32,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) replacement: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) start: usize,
}

/// Where a function stands in its module.
#[derive(Serialize)]
struct FunctionRange {
    id: u32,
    start: usize,
    end: usize,
}

/// The functions that files export, each with a number.
pub(super) async fn functions(
    tools: Tools<'_>,
    project: &Project,
    files: &[String],
    seed: u64,
) -> Result<Vec<FoundModule>, EvolutionError> {
    // fast-check takes 32 bits.
    let seed = u32::try_from(seed & 0x7fff_ffff).unwrap_or(1);
    let call = HostCall {
        method: "tests_functions",
        params: json!({ "root": project.root(), "files": files, "seed": seed }),
        limit: LIMIT,
        runs_project_code: false,
    };
    let found: Found = tools
        .host
        .call(project, call, tools.progress, tools.cancel)
        .await?;
    let mut modules = found.modules;
    let mut next = 0;
    for function in modules.iter_mut().flat_map(|module| &mut module.functions) {
        next += 1;
        function.id = next;
    }
    Ok(modules)
}

/// The modules with mutants of all their functions.
pub(super) async fn instrument(
    tools: Tools<'_>,
    project: &Project,
    modules: &[FoundModule],
) -> Result<Vec<Instrumented>, EvolutionError> {
    let modules: Vec<_> = modules
        .iter()
        .map(|module| {
            let ranges = module.functions.iter().map(|it| FunctionRange {
                id: it.id,
                start: it.start,
                end: it.end,
            });
            json!({ "path": module.path, "functions": ranges.collect::<Vec<_>>() })
        })
        .collect();
    let call = HostCall {
        method: "tests_mutants",
        params: json!({ "root": project.root(), "modules": modules }),
        limit: LIMIT,
        runs_project_code: false,
    };
    let made: Made = tools
        .host
        .call(project, call, tools.progress, tools.cancel)
        .await?;
    Ok(made.modules)
}
