//! What waits between analyses says the same as what is started anew.

use std::time::Duration;

use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;

use super::*;

impl Bench {
    /// Waits until the fast linter is loaded for its next run; its process.
    async fn loaded(&self) -> u32 {
        loop {
            if let Some(pid) = self.context.standby.pid() {
                return pid;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_fast_linter_that_waited_says_what_a_new_one_says_and_its_death_costs_nothing() {
    let bench = Bench::new(&[("a.js", "export {};\n")]);
    let shutdown = Shutdown::new();
    let background = BackgroundTasks::new("test", &shutdown);
    bench
        .context
        .keep_ready(Duration::from_secs(3_600), &background);
    assert_eq!(bench.analyze(false).await.of("oxlint").count(), 0);
    let mut last = 0;
    for (at, is_killed) in [false, true, false].into_iter().enumerate() {
        let pid = bench.loaded().await;
        assert_ne!(pid, last, "one process runs once");
        last = pid;
        if is_killed {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        let text = format!("const é{at} = '😀'; debugger;\nif (é{at} === NaN) f();\n");
        bench.write("a.js", &text);
        let warm = bench.analyze(false).await;
        assert_eq!(warm.tool("oxlint").failure, "");
        let found: Vec<Finding> = warm.of("oxlint").cloned().collect();
        let cold = Bench::new(&[("a.js", &text)]).analyze(false).await;
        let expected: Vec<Finding> = cold.of("oxlint").cloned().collect();
        assert_eq!(found, expected);
        assert_eq!(warm.findings, cold.findings);
    }
}
