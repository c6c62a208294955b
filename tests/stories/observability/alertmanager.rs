//! An alert reaches people: a real Prometheus finds a process gone, and a real Alertmanager on the configuration of `deploy/`
//! tells the address in its secret.

use std::process::{Command, Stdio};
use std::time::Duration;

use shim_redis_harness::Port;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;

use super::prometheus::{Prometheus, configuration};
use super::read;

/// With much to spare for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Debian's name of it, and everybody else's.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

fn installed() -> Option<&'static str> {
    let runs = |name: &&str| {
        let run = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        run.is_ok_and(|status| status.success())
    };
    let found = NAMES.into_iter().find(runs);
    if found.is_none() {
        eprintln!(
            "left out: no Alertmanager here; deploy/local/setup.sh installs it where it can be had"
        );
    }
    found
}

/// The configuration of the compose stack: with the address in another file, and quicker.
fn alertmanager_config(alert_url: &str) -> String {
    let changes = [
        ("/run/secrets/alert_url", alert_url),
        ("  group_wait: 10s", "  group_wait: 0s"),
    ];
    let text = read("alertmanager/alertmanager.yml");
    changes.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "alertmanager.yml has no longer {from}");
        text.replace(from, to)
    })
}

/// An Alertmanager that tells `people`. Dropping it kills it.
struct Alertmanager {
    address: String,
    _port: Port,
    _folder: TempDir,
    _child: Child,
}

impl Alertmanager {
    fn start(program: &str, people: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), Port::reserve());
        let path_of = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path_of("alert_url"), format!("{people}\n")).unwrap();
        std::fs::write(
            path_of("alertmanager.yml"),
            alertmanager_config(&path_of("alert_url")),
        )
        .unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let child = tokio::process::Command::new(program)
            .arg(format!("--config.file={}", path_of("alertmanager.yml")))
            .arg(format!("--storage.path={}", path_of("data")))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path_of("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            address,
            _port: port,
            _folder: folder,
            _child: child,
        }
    }
}

/// The body of the next request, which is answered as a chat does.
async fn next_message(people: &TcpListener) -> String {
    let (mut stream, _) = people.accept().await.unwrap();
    let mut reader = BufReader::new(&mut stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).await.unwrap() > 2 {
        let header = line.to_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    answer(&mut stream).await;
    String::from_utf8(body).unwrap()
}

async fn answer(stream: &mut TcpStream) {
    let said = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    stream.write_all(said).await.unwrap();
}

#[tokio::test]
async fn an_alert_reaches_the_address_in_the_secret() {
    let Some(program) = installed() else { return };
    let people = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", people.local_addr().unwrap());
    let alertmanager = Alertmanager::start(program, &url);

    // Nobody listens there: every process is down.
    let nobody = Port::reserve();
    let nobody = format!("127.0.0.1:{}", nobody.number());
    let config = configuration(&nobody, &nobody);
    assert!(config.contains("alertmanager:9093"));
    let config = config.replace("alertmanager:9093", &alertmanager.address);
    let rules = read("prometheus/alerts.yml").replacen("for: 1m", "for: 1s", 1);
    let _prometheus = Prometheus::launch(&config, &rules);

    let told = tokio::time::timeout(TIMEOUT, next_message(&people)).await;
    let told = told.expect("people are told");
    for part in [
        "FIRING: ShimServiceDown",
        "does not answer",
        "deploy/ALERTS.md#alert-service-down",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn alertmanager_accepts_its_configuration() {
    if installed().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, read("alertmanager/alertmanager.yml")).unwrap();
    let run = Command::new("amtool")
        .arg("check-config")
        .arg(&file)
        .output()
        .expect("amtool comes with Alertmanager");
    let printed = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{printed}");
}
