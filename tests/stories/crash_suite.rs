//! A short run of each crash suite, so that every change meets it; `make chaos` runs the long ones.

use shim_tests::chaos::checkpoint::{SuiteOptions, run};

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
