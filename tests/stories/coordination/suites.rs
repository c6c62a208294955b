//! Short runs of the coordination suites, so that every change meets them; `make chaos PANEL=coordination` runs the
//! long ones.

use shim_tests::chaos::coordination::{holders, outages, races};

const SEED: u64 = 20_261_123;

#[tokio::test(flavor = "multi_thread")]
async fn racing_compare_and_sets_end_at_the_exact_count() {
    let settings = races::SuiteOptions {
        times: 200,
        seed: SEED,
    };
    let verdict = races::run(settings).await;
    assert!(verdict.is_clean(), "{verdict:?}");
    assert!(verdict.lost_races > 0, "they met: {verdict:?}");
}

fn assert_held_well(verdict: &holders::HoldersVerdict, acquisitions: u64) {
    assert!(verdict.is_clean(), "{verdict:?}");
    assert!(verdict.acquisitions >= acquisitions, "{verdict:?}");
    let met = verdict.freezes > 0 && verdict.refused_writes > 0;
    assert!(met && verdict.writes > acquisitions, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_holder_never_writes_after_its_lock_was_lost() {
    let settings = holders::SuiteOptions {
        acquisitions: 2_000,
        redlock: false,
        seed: SEED,
    };
    assert_held_well(&holders::run(settings).await, settings.acquisitions);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_hold_while_redlock_nodes_are_killed() {
    let settings = holders::SuiteOptions {
        acquisitions: 1_000,
        redlock: true,
        seed: SEED,
    };
    let verdict = holders::run(settings).await;
    assert_held_well(&verdict, settings.acquisitions);
    assert!(verdict.node_kills > 0, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_redis_lose_and_double_nothing() {
    let settings = outages::SuiteOptions {
        outage: outages::Outage::Kill,
        fsync: outages::Fsync::Always,
        times: 10,
        away_millis: 10..400,
        seed: SEED,
    };
    let verdict = outages::run(settings).await;
    assert!(verdict.is_clean(), "{verdict:?}");
    assert!(verdict.acknowledged > 100, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_cut_of_five_seconds_loses_nothing_and_hangs_no_call() {
    let settings = outages::SuiteOptions {
        outage: outages::Outage::Cut,
        fsync: outages::Fsync::EverySecond,
        times: 1,
        away_millis: 5_000..5_001,
        seed: SEED,
    };
    let verdict = outages::run(settings).await;
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_hangs_no_call() {
    let settings = outages::SuiteOptions {
        outage: outages::Outage::Freeze,
        fsync: outages::Fsync::EverySecond,
        times: 2,
        away_millis: 500..2_000,
        seed: SEED,
    };
    let verdict = outages::run(settings).await;
    assert!(verdict.is_clean(), "{verdict:?}");
}
