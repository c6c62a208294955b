//! A generation that is called off at any of its steps: it ends, and leaves nothing behind.

use std::sync::Mutex;

use super::*;
use crate::test_runs::TestRunError;
use crate::tool_host::HostError;

/// When a generation is called off.
#[derive(Clone, Copy)]
enum When<'a> {
    /// When it says these words.
    Says(&'static str),
    /// When this file has a whole line.
    Wrote(&'a Path),
}

/// How a generation ended that was called off.
async fn called_off(
    lab: &Lab,
    root: &Path,
    when: When<'_>,
) -> Result<TestGenerationReport, EvolutionError> {
    let project = Project::open(root, &[], &Trust(true)).await.unwrap();
    let options = Options {
        include: Vec::new(),
        max_functions: 20,
        seed: 7,
        run_limit: Duration::from_secs(600),
    };
    let cancel = CancellationToken::new();
    let (ending, said) = (cancel.clone(), Arc::new(Mutex::new(Vec::new())));
    let steps = Arc::clone(&said);
    let words = match when {
        When::Says(words) => Some(words),
        When::Wrote(_) => None,
    };
    let progress = ProgressSink::new(move |progress| {
        if words.is_some_and(|words| progress.text.contains(words)) {
            ending.cancel();
        }
        steps.lock().unwrap().push(progress.text);
    });
    let tools = Tools {
        host: &lab.host,
        runs: &lab.runs,
        progress: &progress,
        cancel: &cancel,
    };
    let waiting = async {
        let When::Wrote(file) = when else { return };
        while !std::fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let generation = generate(tools, &project, &options, &|_| {});
    let (ended, ()) = tokio::join!(generation, waiting);
    let said = said.lock().unwrap();
    assert!(cancel.is_cancelled(), "it was done: {said:?}");
    ended
}

/// Commands of processes that work in a folder.
fn at_work_in(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let within = processes.filter(|it| {
        let place = std::fs::read_link(it.path().join("cwd")).unwrap_or_default();
        place.starts_with(folder)
    });
    let commands = within.map(|it| std::fs::read(it.path().join("cmdline")).unwrap_or_default());
    commands
        .map(|it| String::from_utf8_lossy(&it).replace('\0', " "))
        .collect()
}

fn assert_is_cancelled(ended: &Result<TestGenerationReport, EvolutionError>, at: &str) {
    let is_told = matches!(
        ended,
        Err(EvolutionError::Cancelled
            | EvolutionError::TestRun(TestRunError::Cancelled)
            | EvolutionError::Host(HostError::Cancelled))
    );
    assert!(is_told, "{at}: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_is_called_off_at_a_step_leaves_nothing() {
    let lab = Lab::new();
    let root = lab.fixture("node-esm");
    let before = texts(&root);
    for words in [
        "looking for exported functions",
        "the project's own tests",
        "trying inputs",
        "tests that may be kept",
    ] {
        let ended = called_off(&lab, &root, When::Says(words)).await;
        assert_is_cancelled(&ended, words);
        assert_eq!(texts(&root), before, "{words}");
        lab.no_copy_is_left();
        assert_eq!(at_work_in(lab.runs.folder()), [""; 0], "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_whose_tests_never_end_is_called_off_with_all_that_they_started() {
    let lab = Lab::new();
    let root = lab.fixture("node-esm");
    let pids = lab.test.path("pids");
    let test = format!(
        "import {{ spawn }} from 'node:child_process';\nimport {{ appendFileSync }} from 'node:fs';\nconst child = spawn('sleep', ['600'], {{ stdio: 'ignore' }});\nappendFileSync({pids:?}, `${{process.pid}} ${{child.pid}}\\n`);\nfor (;;);\n"
    );
    std::fs::write(root.join("test/ranges.test.js"), test).unwrap();
    let before = texts(&root);
    let ended = called_off(&lab, &root, When::Wrote(&pids)).await;
    assert_is_cancelled(&ended, "an endless test");
    assert_eq!(texts(&root), before);
    lab.no_copy_is_left();
    assert_eq!(at_work_in(lab.runs.folder()), [""; 0]);
}
