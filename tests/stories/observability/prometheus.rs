//! A real Prometheus on the configuration of `deploy/`, told where the processes of a test are, and asked as Grafana asks.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use shim_redis_harness::Port;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::read;

/// For a sample to come and to be seen; with much to spare for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How the workers of the compose stack are found.
const WORKERS: &str = "    dns_sd_configs:
      - names: [worker]
        type: A
        port: 9464
        refresh_interval: 10s
";

/// A running Prometheus. Dropping it kills it.
pub(super) struct Prometheus {
    address: String,
    _port: Port,
    _folder: TempDir,
    _child: Child,
}

impl Prometheus {
    /// Starts it and waits until it has scraped every target.
    pub(super) async fn start(stack: &str, gateway: &str) -> Self {
        let prometheus = Self::launch(
            &configuration(stack, gateway),
            &read("prometheus/alerts.yml"),
        );
        prometheus
            .wait_for_data("every job", "count(up == 1) == 4")
            .await;
        prometheus
    }

    /// Starts it with this configuration and these rules.
    pub(super) fn launch(configuration: &str, rules: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), Port::reserve());
        let path_of = |name: &str| folder.path().join(name);
        std::fs::write(path_of("prometheus.yml"), configuration).unwrap();
        std::fs::write(path_of("alerts.yml"), rules).unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                path_of("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", path_of("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path_of("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed: deploy/local/setup.sh does that");
        Self {
            address,
            _port: port,
            _folder: folder,
            _child: child,
        }
    }

    /// The text of an answer; nothing while it starts.
    async fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        // In this version the answer ends with the connection.
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// Asks until there is something to show.
    pub(super) async fn wait_for_data(&self, what: &str, query: &str) {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let answer = self.get(&path).await.unwrap_or_default();
            assert_ne!(answer["status"], "error", "{what}: {query}: {answer}");
            let result = answer["data"]["result"].as_array();
            if result.is_some_and(|series| !series.is_empty()) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: no data for {query}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The names and the conditions of all alerts, as Prometheus has read them.
    pub(super) async fn alerts(&self) -> Vec<(String, String)> {
        let answer = self.get("/api/v1/rules?type=alert").await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|it| it["rules"].as_array().unwrap());
        rules
            .map(|rule| {
                assert_eq!(rule["health"], "ok", "{rule}");
                (text(&rule["name"]), text(&rule["query"]))
            })
            .collect()
    }
}

/// The configuration of the compose stack with other addresses, and quicker.
pub(super) fn configuration(stack: &str, gateway: &str) -> String {
    let workers = format!("    static_configs:\n      - targets: [\"{stack}\"]\n");
    let changes = [
        ("_interval: 5s", "_interval: 1s"),
        ("checkpoint:9464", stack),
        ("coordination:9464", stack),
        ("gateway:9464", gateway),
        (WORKERS, &workers),
    ];
    let text = read("prometheus/prometheus.yml");
    changes.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "prometheus.yml has no longer {from}");
        text.replace(from, to)
    })
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
