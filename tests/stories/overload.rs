//! A short run of the overload suite; `make chaos PANEL=overload` runs the long one, and judges how quick it is too.

use std::time::Duration;

use shim_tests::chaos::overload::{SuiteOptions, run};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_are_refused_with_a_delay_and_lose_nothing() {
    let settings = SuiteOptions {
        surge: Duration::from_secs(3),
        factor: 4,
        idle_connections: 400,
        slow_read_time: Duration::from_secs(2),
        soak: Duration::from_secs(3),
    };
    let verdict = run(settings, |line| eprintln!("{line}")).await;
    let (surge, soak) = (&verdict.surge, &verdict.soak);
    assert!(surge.served > 0 && soak.served > 0, "{verdict:?}");
    assert_eq!((surge.lost, soak.lost), (0, 0), "{verdict:?}");
    assert_eq!((surge.failed, soak.failed), (0, 0), "{verdict:?}");
    assert_eq!(surge.refused_without_delay, 0, "{verdict:?}");
    assert_eq!(verdict.crowd.turned_away, 0, "{verdict:?}");
    assert!(verdict.is_bounded(), "{verdict:?}");
}
