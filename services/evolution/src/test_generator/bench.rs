//! The copy that a generation works in: its modules as they are, changed or with mutants, and files that its runner runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::{Options, Tools};
use super::tools::{self, FoundModule, Instrumented};
use crate::domain::testing::habits::Habits;
use crate::domain::testing::render::quoted;
use crate::domain::testing::runner::RunnerKind;
use crate::error::EvolutionError;
use crate::test_runs::{RunRequest, Sandbox, Suite, TestRun, TestRunError};

/// What runs within the project's runner; it lies beside the copy, where no runner takes it for a test.
const DRIVER: [(&str, &str); 6] = [
    (
        "driver.cjs",
        include_str!("../../tools/tests/driver/driver.cjs"),
    ),
    (
        "observe.cjs",
        include_str!("../../tools/tests/driver/observe.cjs"),
    ),
    (
        "screen.cjs",
        include_str!("../../tools/tests/driver/screen.cjs"),
    ),
    (
        "calls.cjs",
        include_str!("../../tools/tests/driver/calls.cjs"),
    ),
    (
        "effects.cjs",
        include_str!("../../tools/tests/driver/effects.cjs"),
    ),
    (
        "literals.cjs",
        include_str!("../../tools/tests/driver/literals.cjs"),
    ),
];

/// A copy of the project, and how its tests are run and written.
pub(super) struct Bench<'a> {
    pub(super) tools: Tools<'a>,
    pub(super) sandbox: Sandbox,
    pub(super) suite: Suite,
    pub(super) habits: Habits,
    pub(super) run_limit: Duration,
    /// The seed of what fast-check makes in new tests.
    pub(super) seed: u32,
    /// Whether tests of the project can import fast-check.
    pub(super) has_fast_check: bool,
    /// Whether Jest loads modules as the language defines them.
    is_native_esm: bool,
    originals: BTreeMap<String, String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        tools: Tools<'a>,
        sandbox: Sandbox,
        suite: Suite,
        habits: Habits,
        options: &Options,
    ) -> Self {
        let command = &suite.detected.command;
        let has = |text: &str| text.contains("experimental-vm-modules");
        let in_env = command.env.iter().any(|(_, value)| has(value));
        let is_native_esm = in_env || command.node_options.iter().any(|word| has(&word.text));
        let packages = sandbox.root().join("node_modules");
        let has_fast_check = packages.join("fast-check/package.json").is_file();
        Self {
            tools,
            sandbox,
            suite,
            habits,
            run_limit: options.run_limit,
            seed: tools::seed_of(options.seed),
            has_fast_check,
            is_native_esm,
            originals: BTreeMap::new(),
        }
    }

    fn failed(what: &str) -> impl FnOnce(std::io::Error) -> EvolutionError {
        let what = format!("{what} cannot be written or read in the copy");
        move |why| TestRunError::io(what)(why).into()
    }

    /// Gives a module another text; the one that it had is kept for [`Bench::restore`].
    pub(super) fn change(&mut self, path: &str, text: &str) -> Result<(), EvolutionError> {
        if let Ok(original) = std::fs::read_to_string(self.sandbox.root().join(path)) {
            self.originals.entry(path.to_owned()).or_insert(original);
        }
        self.write(path, text)
    }

    /// Puts all mutants into the modules, each to be chosen by its number.
    pub(super) fn put_mutants(
        &mut self,
        modules: &[FoundModule],
        instrumented: &BTreeMap<String, Instrumented>,
    ) -> Result<(), EvolutionError> {
        let made = modules
            .iter()
            .filter_map(|module| instrumented.get(&module.path));
        for made in made.filter(|made| made.fault.is_empty()) {
            self.change(&made.path, &made.text)?;
        }
        Ok(())
    }

    /// Writes a file of the copy.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), EvolutionError> {
        let file = self.sandbox.root().join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(Self::failed(path))?;
        }
        std::fs::write(file, text).map_err(Self::failed(path))
    }

    /// The text of a module of the project.
    pub(super) fn original(&self, path: &str) -> Option<String> {
        let kept = self.originals.get(path).cloned();
        kept.or_else(|| std::fs::read_to_string(self.sandbox.root().join(path)).ok())
    }

    /// Makes all changed modules what they were.
    pub(super) fn restore(&mut self) -> Result<(), EvolutionError> {
        for (path, text) in &self.originals {
            std::fs::write(self.sandbox.root().join(path), text).map_err(Self::failed(path))?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, path: &str) {
        let _ = std::fs::remove_file(self.sandbox.root().join(path));
    }

    /// Whether the copy has a file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.sandbox.root().join(path).exists()
    }

    /// Runs test files of the copy, or all of them.
    pub(super) async fn run(
        &self,
        files: &[String],
        env: Vec<(String, String)>,
        limit: Duration,
    ) -> Result<TestRun, EvolutionError> {
        let request = RunRequest {
            folder: self.sandbox.root(),
            files,
            limit,
            env,
            ends_at_report: !files.is_empty(),
        };
        Ok(self
            .tools
            .runs
            .run(&self.suite, request, self.tools.cancel)
            .await?)
    }

    /// Writes what the driver is to do with a module, and the test file that starts it.
    pub(super) fn stage(
        &mut self,
        name: &str,
        module: &FoundModule,
        plan: &impl Serialize,
    ) -> Result<String, EvolutionError> {
        let folder = self.sandbox.beside().to_path_buf();
        let text = serde_json::to_string(plan).unwrap_or_default();
        let plan_path = folder.join(format!("{name}.plan.json"));
        std::fs::write(plan_path, text).map_err(Self::failed("a plan"))?;
        let path = self.habits.path_for(
            &format!("{}/shim-{name}.js", parent(&module.path)),
            |path| self.has(path),
        );
        self.place_driver()?;
        let text = self.harness(name, &path, module, &folder.to_string_lossy());
        self.write(&path, &text)?;
        Ok(path)
    }

    fn place_driver(&self) -> Result<(), EvolutionError> {
        let folder = self.sandbox.beside().join("driver");
        std::fs::create_dir_all(&folder).map_err(Self::failed("the driver"))?;
        for (name, text) in DRIVER {
            std::fs::write(folder.join(name), text).map_err(Self::failed("the driver"))?;
        }
        Ok(())
    }

    fn harness(&self, name: &str, path: &str, module: &FoundModule, folder: &str) -> String {
        let kind = self.habits.kind;
        let specifier = quoted(&self.habits.specifier(path, &module.path));
        let is_esm = match kind {
            RunnerKind::Vitest => true,
            RunnerKind::Jest => self.is_native_esm && self.habits.is_esm,
            _ => self.habits.is_esm,
        };
        let driver = quoted(&format!("{folder}/driver/driver.cjs"));
        let (loaded, load) = if is_esm {
            let start = format!(
                "import {{ createRequire }} from 'node:module';\nconst driver = createRequire(import.meta.url)({driver});\n"
            );
            (start, format!("import({specifier})"))
        } else {
            let start = format!("const driver = require({driver});\n");
            (start, format!("require({specifier})"))
        };
        let runner = match (kind, is_esm) {
            (RunnerKind::Vitest, _) => "import { test } from 'vitest';\n",
            (RunnerKind::NodeTest, true) => "import { test } from 'node:test';\n",
            (RunnerKind::NodeTest, false) => "const { test } = require('node:test');\n",
            _ => "",
        };
        let (folder, name) = (quoted(folder), quoted(name));
        let body = format!("driver.run(() => {load}, {folder}, {name})");
        let test = match kind {
            RunnerKind::Mocha => {
                let (_, case) = self.habits.words();
                format!("{case}('shim', async function () {{ this.timeout(0); await {body}; }});\n")
            }
            RunnerKind::NodeTest => format!("test('shim', async () => {{ await {body}; }});\n"),
            _ => format!("test('shim', async () => {{ await {body}; }}, 600000);\n"),
        };
        let is_typed = matches!(self.habits.extension.as_str(), "ts" | "mts" | "cts" | "tsx");
        let unchecked = if is_typed { "// @ts-nocheck\n" } else { "" };
        format!("{unchecked}{runner}{loaded}{test}")
    }

    /// The lines that a driver wrote so far.
    pub(super) fn journal<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let text = std::fs::read_to_string(self.journal_path(name)).unwrap_or_default();
        // The last line may be cut, where the process died.
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Forgets what a driver wrote.
    pub(super) fn forget(&self, name: &str) {
        let _ = std::fs::remove_file(self.journal_path(name));
    }

    pub(super) fn journal_path(&self, name: &str) -> PathBuf {
        self.sandbox.beside().join(format!("{name}.journal"))
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
