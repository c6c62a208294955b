//! A short run of each crash suite, so that every change meets it; `make chaos` runs the long ones.

use shim_tests::chaos::checkpoint::{SuiteOptions, run};
use shim_tests::chaos::evolution;

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
async fn kills_of_the_evolution_service_and_its_tools_leave_the_users_tree_as_it_was() {
    let settings = evolution::SuiteOptions {
        rounds: 4,
        seed: 20_261_130,
    };
    let mut log = Vec::new();
    let verdict = evolution::run(settings, |line| log.push(line.to_owned())).await;
    let verdict = verdict.unwrap();
    assert!(verdict.is_clean(), "{verdict:#?}\n{log:#?}");
    assert_eq!(verdict.rounds, settings.rounds);
}
