//! What a generation begins with: the runner, the modules, the habits, the copy.

use super::context::Tools;
use super::tools::FoundModule;
use crate::domain::testing::detection::Detected;
use crate::domain::testing::habits::{Habits, TestText};
use crate::domain::testing::runner::RunnerKind;
use crate::domain::testing::script::Command;
use crate::error::EvolutionError;
use crate::project::{Project, SourceFiles};
use crate::test_runs::{Sandbox, Suite, TestRunError, is_test_file};

/// Modules that one generation looks at.
const MAX_MODULES: usize = 400;
const MAX_TEST_TEXTS: usize = 200;

/// The project's tests; without any, those that Node itself would run.
pub(super) fn suite_of(project: &Project) -> Result<Suite, EvolutionError> {
    let found = Suite::find(project.root());
    match found {
        Some(suite) if suite.kind() == RunnerKind::Script => {
            let command = suite.detected.command.arguments.first();
            let command = command.map_or_else(String::new, |word| word.text.clone());
            Err(TestRunError::RunnerUnknown { command }.into())
        }
        Some(suite) => Ok(suite),
        None => Ok(Suite {
            detected: Detected {
                kind: RunnerKind::NodeTest,
                command: Command::default(),
            },
            test_files: Vec::new(),
        }),
    }
}

/// Sources that may export functions: no tests, no configuration, no programs.
pub(super) fn modules_of(project: &Project, sources: &SourceFiles) -> Vec<String> {
    let names = sources.files.iter().map(|file| file.path.clone());
    let is_module = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_folder = path.split('/').any(|part| {
            matches!(
                part,
                "examples"
                    | "example"
                    | "benchmark"
                    | "benchmarks"
                    | "bench"
                    | "scripts"
                    | "docs"
                    | "fixtures"
                    | "bin"
                    | "test"
                    | "tests"
                    | "__tests__"
            )
        });
        let is_other = name.contains(".config.")
            || name.contains(".d.")
            || name.starts_with('.')
            || name.contains("file.")
            || name.contains(".min.");
        !in_folder && !is_other && !is_test_file(path)
    };
    let is_program = |path: &String| {
        let text = std::fs::read(project.root().join(path)).unwrap_or_default();
        text.starts_with(b"#!")
    };
    names
        .filter(is_module)
        .filter(|path| !is_program(path))
        .take(MAX_MODULES)
        .collect()
}

pub(super) fn habits_of(project: &Project, suite: &Suite, found: &[FoundModule]) -> Habits {
    let texts: Vec<TestText> = suite
        .test_files
        .iter()
        .take(MAX_TEST_TEXTS)
        .map(|path| TestText {
            path: path.clone(),
            text: std::fs::read_to_string(project.root().join(path)).unwrap_or_default(),
        })
        .collect();
    let esm = found.iter().filter(|module| module.is_esm).count();
    let typescript = found
        .iter()
        .filter(|module| module.path.ends_with("ts"))
        .count();
    Habits::of(
        suite.kind(),
        &texts,
        esm * 2 > found.len(),
        typescript * 2 > found.len(),
    )
}

pub(super) async fn copy_of(
    tools: Tools<'_>,
    project: &Project,
) -> Result<Sandbox, EvolutionError> {
    let (root, folder) = (
        project.root().to_path_buf(),
        tools.runs.folder().to_path_buf(),
    );
    let copied = tokio::task::spawn_blocking(move || Sandbox::copy(&root, &folder)).await;
    let lost = |why: tokio::task::JoinError| TestRunError::Io {
        what: "a copy of the project cannot be made".to_owned(),
        why: why.to_string(),
    };
    Ok(copied.map_err(lost)??)
}
