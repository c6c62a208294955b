//! A short run of each crash suite, so that every change meets it; `make chaos` runs the long ones.

use shim_tests::chaos::checkpoint::{SuiteOptions, run};
use shim_tests::chaos::{claude, evolution};

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_lose_and_double_nothing() {
    let settings = SuiteOptions {
        rounds: 12,
        seed: 20_260_728,
    };
    let mut log = Vec::new();
    let verdict = run(settings, &mut log).await.unwrap();
    assert!(
        verdict.is_clean(),
        "{verdict:?}\n{}",
        String::from_utf8_lossy(&log)
    );
    assert_eq!(verdict.rounds, settings.rounds);
    assert!(
        verdict.acknowledged > 16,
        "the savers got to work: {verdict:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_work_on_a_project_change_and_leave_nothing() {
    let settings = evolution::SuiteOptions {
        rounds: 5,
        seed: 20_261_201,
        with_long_calls: false,
    };
    let mut log = Vec::new();
    let told = |line: &str| log.push(line.to_owned());
    let verdict = evolution::run(settings, told).await.unwrap();
    assert!(verdict.is_clean(), "{verdict:#?}\n{}", log.join("\n"));
    assert_eq!(verdict.rounds, settings.rounds);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_the_real_client_that_are_killed_are_known_by_what_they_did() {
    let settings = claude::SuiteOptions {
        rounds: 6,
        seed: 20_261_202,
    };
    let Some(verdict) = claude::run(settings, |_| {}).await else {
        return;
    };
    assert!(verdict.is_clean(), "{verdict:#?}");
}
