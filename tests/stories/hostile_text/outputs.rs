//! The pages of the probes, and the log.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::World;
use super::texts::faults as faults_in;

pub(super) async fn faults(world: &World, log_format: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for page in ["/metrics", "/readyz", "/healthz"] {
        let text = page_of(world, page).await;
        if !text.starts_with("HTTP/1.1 200") {
            faults.push(format!("{page}: {text}"));
        }
        faults.extend(faults_in(page, &text.replace("\r\n", "\n")));
    }
    let log = world.service.log();
    if log.lines().count() < 100 {
        faults.push(format!("the log says little: {log}"));
    }
    faults.extend(faults_in("the log", &log));
    if log_format == "json" {
        let broken = log
            .lines()
            .find(|line| serde_json::from_str::<serde_json::Value>(line).is_err());
        faults.extend(broken.map(|line| format!("the log has a line that is no JSON: {line}")));
    }
    faults
}

async fn page_of(world: &World, page: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", world.probes.number()))
        .await
        .unwrap();
    let request = format!("GET {page} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
