//! Short runs of the suites of tasks, so that every change meets them; `make chaos PANEL=tasks` and `PANEL=claims` run
//! the long ones.

use std::time::Duration;

use shim_tests::chaos::tasks::{self, claim_race};

const SEED: u64 = 20_261_123;

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_or_done_twice_whatever_dies() {
    let settings = tasks::SuiteOptions {
        rounds: 3,
        tasks: 100,
        calm_kills: 2,
        dead_after: Duration::from_secs(1),
        with_peer: false,
        seed: SEED,
    };
    let verdict = tasks::run(settings, |_| {}).await.unwrap();
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert!(verdict.tasks >= settings.tasks, "{verdict:#?}");
    for victim in [
        "worker outside",
        "shim worker",
        "shim coordination",
        "Redis",
    ] {
        for how in ["killed", "frozen"] {
            let times = verdict.faults[&format!("{victim} {how}")];
            assert!(times >= settings.rounds, "{victim} {how}: {times}");
        }
    }
    let met = verdict.requeued > 0 && verdict.refused_reports > 0;
    assert!(met, "they met: {verdict:#?}");
    assert!(verdict.calm.kill_to_start.count > 0, "{verdict:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_who_race_for_a_task_exactly_one_gets_it() {
    let settings = claim_race::SuiteOptions { times: 300 };
    let verdict = claim_race::run(settings).await.unwrap();
    assert!(verdict.is_clean(), "{verdict:?}");
    let winners = verdict.wins.iter().filter(|wins| **wins > 0);
    assert!(winners.count() > 1, "they met: {verdict:?}");
}
