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
    /// Its name for people: `parse`, `Stack`, `api.get`.
    pub(super) name: String,
    /// What a test imports to call it: itself, a class, an object.
    pub(super) holder: String,
    /// The method of the holder that it is; empty for the holder itself.
    pub(super) member: String,
    /// `function`, `class` for one whose inputs are sequences of calls on an instance, or `factory` for a function that makes
    /// instances when it is called.
    pub(super) kind: String,
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
    /// Further parts of it, where they stand apart: methods of a prototype.
    #[serde(default)]
    pub(super) ranges: Vec<Range>,
    /// What can be read of an instance.
    #[serde(default)]
    pub(super) state: Vec<String>,
    /// Sources of fast-check's arbitraries, one for each parameter; empty if there is none for one of them.
    #[serde(default)]
    pub(super) arbitraries: Vec<String>,
}

/// A part of a module.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl FoundFunction {
    /// Where it stands: one part, or several.
    pub(super) fn parts(&self) -> impl Iterator<Item = Range> {
        let own = Range {
            start: self.start,
            end: self.end,
        };
        std::iter::once(own).chain(self.ranges.iter().copied())
    }

    /// Whether its inputs are sequences of calls on what it makes.
    pub(super) fn makes_instances(&self) -> bool {
        self.kind == "class" || self.is_factory()
    }

    /// Whether a call of it, without `new`, makes an instance.
    pub(super) fn is_factory(&self) -> bool {
        self.kind == "factory"
    }
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
    /// The ways that branches may take: of an `if`, of `?:`, of `&&`, `||` and `??`, of a `switch`, of a default value.
    pub(super) branches: Vec<Statement>,
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

/// The seed of fast-check, which takes 32 bits.
pub(super) fn seed_of(seed: u64) -> u32 {
    u32::try_from(seed & 0x7fff_ffff).unwrap_or(1)
}

fn range(id: u32, Range { start, end }: Range) -> FunctionRange {
    FunctionRange { id, start, end }
}

/// The functions that files export, each with a number.
pub(super) async fn functions(
    tools: Tools<'_>,
    project: &Project,
    files: &[String],
    seed: u64,
) -> Result<Vec<FoundModule>, EvolutionError> {
    let seed = seed_of(seed);
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
            let functions = module.functions.iter();
            let ranges = functions.flat_map(|it| it.parts().map(|part| range(it.id, part)));
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
