//! What an operator looks at: dashboards and alerts are sound, name every metric, and have data when a real Prometheus
//! watches real processes. Whether Grafana draws them well, no test can tell.

mod alertmanager;
mod dashboards;
mod prometheus;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use shim_proto::evolution::v1::AnalyzeWorkflowRequest;
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_redis_harness::Port;
use shim_runtime::metrics::METRICS;
use shim_tests::mcp::{Gateway, GatewayLaunch};

use self::dashboards::Dashboard;
use self::prometheus::Prometheus;
use super::metrics::{TestStack, a_session_comes_back, a_team_meets, start_stack, tasks_are_done};

/// Rates need two samples at least within it; Prometheus takes one a second here.
const RATE_INTERVAL: &str = "15s";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy().join(path)).unwrap()
}

fn promtool(arguments: &[&str]) {
    let run = Command::new("promtool")
        .args(arguments)
        .current_dir(deploy().join("prometheus"))
        .output();
    let run = run.expect("promtool is installed: deploy/local/setup.sh does that");
    let printed = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "promtool {arguments:?}:\n{printed}");
}

/// The values of a key of the alert rules, in their order.
fn alert_values(key: &str) -> Vec<String> {
    let rules = read("prometheus/alerts.yml");
    let values = rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(key));
    values.map(str::to_owned).collect()
}

#[test]
fn prometheus_accepts_its_configuration_and_the_rules() {
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn every_alert_fires_when_it_must_and_only_then() {
    promtool(&["test", "rules", "alerts_test.yml"]);
    let cases = read("prometheus/alerts_test.yml");
    for alert in alert_values("- alert: ") {
        for case in ["fires", "stays silent"] {
            let name = format!("- name: {alert} {case}\n");
            assert!(cases.contains(&name), "no case: {alert} {case}");
        }
    }
}

#[test]
fn every_alert_leads_to_a_section_that_tells_what_to_do() {
    let page = read("ALERTS.md");
    let anchors: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let links = alert_values("runbook_url: deploy/ALERTS.md#");
    assert_eq!(links.len(), alert_values("- alert: ").len());
    assert_eq!(links.into_iter().collect::<BTreeSet<_>>(), anchors);
}

#[test]
fn grafana_finds_the_dashboards_in_order() {
    let all = Dashboard::all();
    assert_eq!(all.len(), 3);
    for dashboard in &all {
        dashboard.assert_in_order();
    }
    let uids: BTreeSet<_> = all.iter().map(Dashboard::uid).collect();
    assert_eq!(uids.len(), all.len(), "each has a name of its own");
}

#[test]
fn no_metric_is_kept_that_nobody_looks_at() {
    let rules = read("prometheus/alerts.yml");
    let queries: Vec<_> = Dashboard::all()
        .iter()
        .flat_map(Dashboard::queries)
        .collect();
    let text = queries
        .iter()
        .fold(rules, |text, query| text + &query.text + "\n");
    let is_named = |name: &str| {
        text.match_indices(name).any(|(start, _)| {
            let rest = &text[start + name.len()..];
            let rest = rest.strip_prefix("_bucket").unwrap_or(rest);
            !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
        })
    };
    let unseen: Vec<_> = METRICS
        .iter()
        .map(|metric| metric.name)
        .filter(|name| !is_named(name))
        .collect();
    assert!(unseen.is_empty(), "on no panel and in no alert: {unseen:?}");
}

/// A gateway on the stack under test that serves its metrics at `port`.
async fn gateway(stack: &TestStack, port: &Port) -> Gateway {
    let project = stack.temp.project();
    let mut command = GatewayLaunch::new(&stack.temp.data_dir(), &project)
        .command()
        .to_vec();
    let address = format!("127.0.0.1:{}", port.number());
    command.extend(["--metrics-listen".to_owned(), address]);
    GatewayLaunch::of_command(command, &project).open().await
}

/// What Claude asks for, well and badly.
async fn tools_are_called(gateway: &mut Gateway) {
    let saved = json!({"current_task": "t", "progress": 0.5});
    gateway.call("shim_auto_checkpoint", saved).await;
    gateway
        .call("shim_auto_checkpoint", json!({"progress": 7}))
        .await;
    gateway
        .call("shim_session_status", json!({"view": "queue"}))
        .await;
}

/// An analysis of what is not there: it begins and fails, and needs no tools.
async fn code_is_asked_for(stack: &TestStack) {
    let mut evolution = EvolutionServiceClient::new(stack.service.channel());
    let request = AnalyzeWorkflowRequest {
        path: "/no/such/project".to_owned(),
        ..AnalyzeWorkflowRequest::default()
    };
    let mut events = evolution
        .analyze_workflow(request)
        .await
        .unwrap()
        .into_inner();
    events.message().await.unwrap_err();
}

#[tokio::test]
async fn every_panel_and_every_alert_has_data() {
    let (stack, port) = (start_stack().await, Port::reserve());
    let mut gateway = gateway(&stack, &port).await;
    let watch = Prometheus::start(&stack.address, &format!("127.0.0.1:{}", port.number())).await;
    a_session_comes_back(&stack.service).await;
    a_team_meets(&stack.service).await;
    tasks_are_done(&stack).await;
    tools_are_called(&mut gateway).await;
    code_is_asked_for(&stack).await;

    let mut asked = 0;
    for query in Dashboard::all().iter().flat_map(Dashboard::queries) {
        let text = query.text.replace("$__rate_interval", RATE_INTERVAL);
        let text = text.replace("$job", ".*").replace("$instance", ".*");
        assert!(
            !text.contains('$'),
            "what Grafana puts in is not known: {text}"
        );
        watch.wait_for_data(&query.panel, &text).await;
        asked += 1;
    }
    let alerts = watch.alerts().await;
    assert_eq!(alerts.len(), alert_values("- alert: ").len());
    for (alert, condition) in alerts {
        for side in left_sides(&condition) {
            watch.wait_for_data(&alert, side).await;
            asked += 1;
        }
    }
    assert!(asked > 80, "only {asked} queries");
    gateway.close().await;
}

/// What the comparisons of an alert look at.
fn left_sides(condition: &str) -> impl Iterator<Item = &str> {
    condition.split(" and ").map(|part| {
        let cut = part.rfind(" > ").or_else(|| part.rfind(" == "));
        &part[..cut.expect("an alert compares")]
    })
}
