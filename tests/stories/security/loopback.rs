//! Ports of this machine, which every user of it reaches: none is open by itself, and one that was asked for asks for a token.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::Duration;

use shim_redis_harness::{Certificates, Port, Redis};
use shim_runtime::auth::Credentials;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::service_error::decode;
use shim_tests::binary;
use shim_tests::raw;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::auth_client::{LIST_SESSIONS, credentials};

const TIMEOUT: Duration = Duration::from_secs(60);
const WRONG: &str = "fedcba9876543210fedcba9876543210";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"page","version":"1"}}}"#;

/// The inodes of the TCP sockets that listen on this machine (proc(5), state 0A).
fn listening() -> BTreeSet<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let lines = tables.map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let listening = lines
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            (words.get(3) == Some(&"0A")).then(|| words.get(9).map(|inode| (*inode).to_owned()))?
        });
    listening.collect()
}

/// How many of them a process has.
fn ports_of(pid: u32) -> usize {
    let listening = listening();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let sockets = open.filter_map(|entry| {
        let target = std::fs::read_link(entry.ok()?.path()).ok()?;
        let target = target.to_string_lossy().into_owned();
        let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
        listening.contains(inode).then_some(())
    });
    sockets.count()
}

/// The reason of the refusal of a call; nothing if it was let in.
async fn refusal(channel: Channel, token: Option<&str>) -> String {
    match raw::call_empty(channel, LIST_SESSIONS, token, TIMEOUT).await {
        Ok(()) => String::new(),
        Err(status) => decode(&status).reason,
    }
}

fn over_tcp(port: &Port) -> Channel {
    let endpoint: Endpoint = format!("http://{}", address(port)).parse().unwrap();
    connect(&endpoint, None).unwrap()
}

fn address(port: &Port) -> String {
    format!("127.0.0.1:{}", port.number())
}

async fn stack(temp: &TempEnv, redis: &Redis, settings: &[(&str, &str)]) -> Service {
    let launch = Launch::stack(&temp.data_dir(), &redis.url());
    let launch = settings
        .iter()
        .fold(launch, |launch, (name, value)| launch.env(name, value));
    launch.start_or_panic().await
}

#[tokio::test]
async fn a_stack_listens_on_no_port_by_itself() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let service = stack(&temp, &redis, &[]).await;
    assert_eq!(ports_of(service.pid()), 0);
    assert!(!temp.data_dir().join("token").exists());
    assert_eq!(refusal(service.channel(), None).await, "");
    // There is nothing to compare it with, so it is wrong.
    assert_eq!(
        refusal(service.channel(), Some(WRONG)).await,
        "TOKEN_REFUSED"
    );
}

#[tokio::test]
async fn a_port_that_was_asked_for_asks_for_the_token_of_the_folder() {
    let (temp, redis, port) = (TempEnv::new(), Redis::start(), Port::reserve());
    let listen = [("SHIM_LISTEN", &*address(&port))];
    let mut service = stack(&temp, &redis, &listen).await;
    let file = temp.data_dir().join("token");
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();
    let token = token.trim();
    for (shown, over_port, over_socket) in [
        (None, "TOKEN_REFUSED", ""),
        (Some(WRONG), "TOKEN_REFUSED", "TOKEN_REFUSED"),
        (Some(""), "TOKEN_REFUSED", "TOKEN_REFUSED"),
        (Some(token), "", ""),
    ] {
        assert_eq!(
            refusal(over_tcp(&port), shown).await,
            over_port,
            "{shown:?}"
        );
        assert_eq!(
            refusal(service.channel(), shown).await,
            over_socket,
            "{shown:?}"
        );
    }
    // The command line finds it; a person is told where it is.
    let endpoint = format!("http://{}", address(&port));
    let shim = |words: &[&str], endpoint: Option<&str>| {
        let mut command = Command::new(binary::shim());
        command.arg("--data-dir").arg(temp.data_dir()).args(words);
        command.envs(endpoint.map(|it| ("SHIM_ENDPOINTS_CHECKPOINT", it)));
        command.output().unwrap()
    };
    let listed = shim(&["sessions", "list"], Some(&endpoint));
    let said = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(listed.status.success(), "{said}");
    let status = shim(&["status"], None);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains(&*file.to_string_lossy()), "{status}");
    // The next start keeps it.
    service.stop();
    let _service = stack(&temp, &redis, &listen).await;
    assert_eq!(refusal(over_tcp(&port), Some(token)).await, "");
}

#[tokio::test]
async fn services_apart_share_the_token_of_the_folder() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let ports = [Port::reserve(), Port::reserve(), Port::reserve()];
    let launches = [
        Launch::checkpoint(&temp.data_dir()),
        Launch::coordination(&temp.data_dir(), &redis.url()),
        Launch::worker(&temp.data_dir(), &redis.url()),
    ];
    let mut services = Vec::new();
    for (launch, port) in launches.into_iter().zip(&ports) {
        let launch = launch.env("SHIM_LISTEN", &address(port));
        services.push(launch.start_or_panic().await);
    }
    let token = std::fs::read_to_string(temp.data_dir().join("token")).unwrap();
    let lists = [
        LIST_SESSIONS,
        "/shim.coordination.v1.TaskService/ListTasks",
        "/shim.worker.v1.WorkerService/ListClaims",
    ];
    for (port, method) in ports.iter().zip(lists) {
        let refused = raw::call_empty(over_tcp(port), method, None, TIMEOUT).await;
        assert_eq!(decode(&refused.unwrap_err()).reason, "TOKEN_REFUSED");
        let called = raw::call_empty(over_tcp(port), method, Some(token.trim()), TIMEOUT).await;
        if let Err(status) = called {
            assert_ne!(decode(&status).reason, "TOKEN_REFUSED", "{method}");
        }
    }
}

#[tokio::test]
async fn whoever_says_so_has_an_open_port() {
    let (temp, redis, port) = (TempEnv::new(), Redis::start(), Port::reserve());
    let address = address(&port);
    let settings = [("SHIM_LISTEN", &*address), ("SHIM_AUTH_OPEN", "true")];
    let _service = stack(&temp, &redis, &settings).await;
    assert_eq!(refusal(over_tcp(&port), None).await, "");
    assert!(!temp.data_dir().join("token").exists());
}

#[tokio::test]
async fn a_wrong_token_beside_a_valid_certificate_is_refused_without_a_token_file() {
    let (temp, folder, port) = (
        TempEnv::new(),
        tempfile::tempdir().unwrap(),
        Port::reserve(),
    );
    let files = Certificates::make(folder.path());
    let name = |path: std::path::PathBuf| path.display().to_string();
    let _service = Launch::checkpoint(&temp.data_dir())
        .env("SHIM_LISTEN", &address(&port))
        .env("SHIM_TLS_CERT_FILE", &name(files.cert_file("server")))
        .env("SHIM_TLS_KEY_FILE", &name(files.key_file("server")))
        .env("SHIM_TLS_CLIENT_CA_FILE", &name(files.ca_file()))
        .start_or_panic()
        .await;
    let shown: Credentials = credentials(&[
        ("tls.ca_file", &files.ca_file()),
        ("tls.client_cert_file", &files.cert_file("client")),
        ("tls.client_key_file", &files.key_file("client")),
    ]);
    let endpoint: Endpoint = format!("https://{}", address(&port)).parse().unwrap();
    let channel = connect(&endpoint, Some(&shown)).unwrap();
    assert_eq!(refusal(channel.clone(), None).await, "");
    assert_eq!(refusal(channel, Some(WRONG)).await, "TOKEN_REFUSED");
}

/// A gateway of its own. Dropping it kills it.
struct Web(Child);

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn ask(address: &str, method: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{HELLO}",
        HELLO.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_http_endpoint_asks_for_the_token_and_lets_in_known_pages_alone() {
    let (temp, port) = (TempEnv::new(), Port::reserve());
    let address = address(&port);
    let mut command = Command::new(binary::shim());
    command
        .arg("--data-dir")
        .arg(temp.data_dir())
        .args(["gateway", "--http", &address])
        .env("SHIM_GATEWAY_ALLOWED_ORIGINS", "https://app.example")
        .current_dir(temp.project());
    let _web = Web(command.spawn().unwrap());
    while TcpStream::connect(&address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let token = std::fs::read_to_string(temp.data_dir().join("token")).unwrap();
    let shown = format!("Authorization: Bearer {}\r\n", token.trim());
    for (headers, code) in [
        (String::new(), "401"),
        (format!("Authorization: Bearer {WRONG}\r\n"), "401"),
        (shown.clone(), "200"),
        (format!("{shown}Origin: https://app.example\r\n"), "200"),
    ] {
        let answer = ask(&address, "POST", &headers).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code}")),
            "{headers}: {answer}"
        );
    }
    for method in ["POST", "GET", "DELETE", "OPTIONS", "PUT", "HEAD"] {
        for origin in [
            "https://evil.example",
            "null",
            "http://app.example",
            "http://localhost",
        ] {
            let headers = format!("{shown}Origin: {origin}\r\n");
            let answer = ask(&address, method, &headers).await;
            assert!(
                answer.starts_with("HTTP/1.1 403"),
                "{method} {origin}: {answer}"
            );
        }
    }
}
