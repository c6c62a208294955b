//! A gateway over HTTP is ready while one of the services behind it can serve, and alive whatever they do.

use std::time::{Duration, Instant};

use shim_redis_harness::Port;
use shim_tests::scrape::probe;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

use super::web::WebGateway;

/// Far longer than it takes.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Asks /readyz until the answer begins with this code, and returns it.
async fn readyz(address: &str, code: &str) -> String {
    let began = Instant::now();
    loop {
        let answer = probe(address, "/readyz").await.unwrap_or_default();
        if answer.starts_with(&format!("HTTP/1.1 {code}")) {
            return answer;
        }
        assert!(began.elapsed() < TIMEOUT, "not {code}: {answer}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn a_gateway_without_its_only_service_is_not_ready_and_heals_by_itself() {
    let temp = TempEnv::new();
    let [service_port, web, probes] = [Port::reserve(), Port::reserve(), Port::reserve()];
    let address = |port: &Port| format!("127.0.0.1:{}", port.number());
    let launch = Launch::checkpoint(&temp.data_dir()).env("SHIM_LISTEN", &address(&service_port));
    let mut service = launch.start_or_panic().await;
    let environment = [
        (
            "SHIM_ENDPOINTS_CHECKPOINT",
            format!("http://{}", address(&service_port)),
        ),
        ("SHIM_METRICS_LISTEN", address(&probes)),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let _gateway = WebGateway::spawn(&temp, &address(&web), &environment);
    let probes = address(&probes);

    readyz(&probes, "200").await;
    service.kill();
    let response = readyz(&probes, "503").await;
    assert!(
        response.contains("shim.checkpoint.v1.CheckpointService: does not answer"),
        "{response}"
    );
    let alive = probe(&probes, "/healthz").await.unwrap();
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");

    let _service = launch.start_or_panic().await;
    readyz(&probes, "200").await;
}
