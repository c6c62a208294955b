//! A collector that is unreachable, or accepts connections and never answers, costs nothing but the spans.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::ListSessionsRequest;
use shim_runtime::trace::{TraceContext, scope};
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

/// More spans than one batch holds.
const CALLS: usize = 600;
/// A hang takes longer; a slow machine does not.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// Calls a service that exports its spans to `address`, stops it, and returns its log.
async fn calls_work_and_the_end_is_in_time(address: &str) -> String {
    let temp = TempEnv::new();
    let endpoint = format!("http://{address}");
    let launch = Launch::checkpoint(&temp.data_dir()).env("SHIM_OTLP_ENDPOINT", &endpoint);
    let mut service = launch.start_or_panic().await;
    let mut client = service.client();
    for _ in 0..CALLS {
        let call = client.list_sessions(ListSessionsRequest::default());
        scope(TraceContext::new_root(), call).await.unwrap();
    }
    let began = Instant::now();
    assert!(service.stop().success(), "{}", service.log());
    assert!(began.elapsed() < STOPS_WITHIN, "{:?}", began.elapsed());
    service.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_only_the_spans() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let log = calls_work_and_the_end_is_in_time(&address).await;
    assert_eq!(log.matches("spans were lost").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let log = calls_work_and_the_end_is_in_time(&address).await;
    assert!(log.contains("the last spans were not exported"), "{log}");
}
