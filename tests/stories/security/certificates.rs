//! Certificates instead of tokens: who has none, or one of a stranger, does not get as far as a call. They are renewed
//! while the service runs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shim_proto::checkpoint::v1::ListSessionsRequest;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_redis_harness::Certificates;
use shim_runtime::auth::Credentials;
use shim_runtime::client::connect;
use shim_runtime::service_error::decode;
use shim_tests::calls;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::auth_client::{AuthClient, credentials};

/// Far longer than it takes.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Looks, and opens a session.
async fn read_and_write(
    auth_client: &AuthClient,
    scheme: &str,
    shown: &Credentials,
) -> (Result<(), Status>, Result<(), Status>) {
    let channel = connect(&auth_client.endpoint(scheme), Some(shown)).unwrap();
    let mut client = CheckpointServiceClient::new(channel);
    let looked = client.list_sessions(ListSessionsRequest::default()).await;
    let opened = calls::open(&mut client, "/project").await;
    (looked.map(drop), opened.map(drop))
}

fn shown(authority: &Certificates, client: Option<&Certificates>) -> Credentials {
    let ca = authority.ca_file();
    match client {
        None => credentials(&[("tls.ca_file", &ca)]),
        Some(client) => credentials(&[
            ("tls.ca_file", &ca),
            ("tls.client_cert_file", &client.cert_file("client")),
            ("tls.client_key_file", &client.key_file("client")),
        ]),
    }
}

fn certificates(temp: &TempEnv, name: &str) -> Certificates {
    let folder = temp.root().join(name);
    std::fs::create_dir(&folder).unwrap();
    Certificates::make(&folder)
}

#[tokio::test]
async fn only_holders_of_a_certificate_of_ours_may_call_and_only_what_their_role_allows() {
    let temp = TempEnv::new();
    let (ours, strangers) = (
        certificates(&temp, "ours"),
        certificates(&temp, "strangers"),
    );
    for (role, may_write) in [("read", false), ("write", true)] {
        let launch = Launch::checkpoint(&temp.data_dir())
            .env(
                "SHIM_TLS_CERT_FILE",
                &ours.cert_file("server").display().to_string(),
            )
            .env(
                "SHIM_TLS_KEY_FILE",
                &ours.key_file("server").display().to_string(),
            )
            .env(
                "SHIM_TLS_CLIENT_CA_FILE",
                &ours.ca_file().display().to_string(),
            )
            .env("SHIM_TLS_CLIENT_ROLE", role);
        let auth_client = AuthClient::start(launch).await;

        let (looked, opened) =
            read_and_write(&auth_client, "https", &shown(&ours, Some(&ours))).await;
        looked.unwrap();
        match opened {
            Ok(()) => assert!(may_write, "a reader opened a session"),
            Err(refused) => {
                assert!(!may_write, "{refused}");
                assert_eq!(refused.code(), Code::PermissionDenied);
                assert_eq!(decode(&refused).reason, "ROLE_REFUSED");
            }
        }

        let nobody = Credentials::default();
        for (who, scheme, credentials) in [
            ("no certificate", "https", shown(&ours, None)),
            (
                "a stranger's certificate",
                "https",
                shown(&ours, Some(&strangers)),
            ),
            (
                "a server that is not trusted",
                "https",
                shown(&strangers, Some(&ours)),
            ),
            ("no TLS", "http", nobody),
        ] {
            let (looked, opened) = read_and_write(&auth_client, scheme, &credentials).await;
            for called in [looked, opened] {
                let refused = called.expect_err(who);
                // It fails below gRPC: no service of ours has answered.
                let code = refused.code();
                let is_transport = [
                    Code::Unavailable,
                    Code::Unknown,
                    Code::Internal,
                    Code::Cancelled,
                ]
                .contains(&code);
                assert!(is_transport, "{who}: {refused:?}");
                assert!(refused.details().is_empty(), "{who}: {refused:?}");
            }
        }
    }
}

/// What the service's configuration names, to be replaced as a renewal does.
struct LiveCertificates(PathBuf);

impl LiveCertificates {
    fn of(temp: &TempEnv, first: &Certificates) -> Self {
        let live = Self(temp.root().join("live"));
        std::fs::create_dir(&live.0).unwrap();
        live.renew(first);
        live
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn replace(&self, name: &str, by: &Path) {
        let fresh = self.file("fresh");
        std::fs::copy(by, &fresh).unwrap();
        std::fs::rename(&fresh, self.file(name)).unwrap();
    }

    /// One file after the other: for a moment the key does not fit.
    fn renew(&self, by: &Certificates) {
        self.replace("ca", &by.ca_file());
        self.replace("cert", &by.cert_file("server"));
        self.replace("key", &by.key_file("server"));
    }

    async fn start(&self, temp: &TempEnv) -> AuthClient {
        let name = |file: &str| self.file(file).display().to_string();
        let launch = Launch::checkpoint(&temp.data_dir())
            .env("SHIM_TLS_CERT_FILE", &name("cert"))
            .env("SHIM_TLS_KEY_FILE", &name("key"))
            .env("SHIM_TLS_CLIENT_CA_FILE", &name("ca"));
        AuthClient::start(launch).await
    }
}

/// Calls over a new connection.
async fn connects(auth_client: &AuthClient, shown: &Credentials) -> bool {
    let (looked, _) = read_and_write(auth_client, "https", shown).await;
    looked.is_ok()
}

/// Comes over new connections until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < TIMEOUT, "{what} never came true");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn renewed_certificates_count_for_new_connections_and_old_ones_live_on() {
    let temp = TempEnv::new();
    let (first, second) = (certificates(&temp, "first"), certificates(&temp, "second"));
    let live = LiveCertificates::of(&temp, &first);
    let auth_client = live.start(&temp).await;
    let (old, new) = (shown(&first, Some(&first)), shown(&second, Some(&second)));
    let channel = connect(&auth_client.endpoint("https"), Some(&old)).unwrap();
    let mut connected = CheckpointServiceClient::new(channel);
    let look = ListSessionsRequest::default;
    connected.list_sessions(look()).await.unwrap();

    std::fs::write(live.file("cert"), "half of a certifi").unwrap();
    until("the complaint", async || {
        assert!(
            connects(&auth_client, &old).await,
            "a broken file shut the door"
        );
        auth_client.service.log().contains("stays in force")
    })
    .await;

    live.renew(&second);
    until("the renewal", async || connects(&auth_client, &new).await).await;
    assert!(
        !connects(&auth_client, &old).await,
        "what was replaced still counts"
    );
    // Could it not go on, it would have to connect anew.
    connected.list_sessions(look()).await.unwrap();
}

/// Puts a file in place of `path` that keeps its readers waiting, as a mount that hangs does.
fn make_hang(path: &Path) {
    std::fs::remove_file(path).unwrap();
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
}

/// A writer of the pipe if a process reads it by now. That process waits for as long as the writer is held.
fn reader_of(path: &Path) -> Option<File> {
    let mut open = OpenOptions::new();
    // A pipe without a reader cannot be opened so: fifo(7).
    open.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    open.open(path).ok()
}

#[tokio::test]
async fn a_key_that_cannot_be_read_to_its_end_holds_up_no_other_connection() {
    let temp = TempEnv::new();
    let first = certificates(&temp, "first");
    let live = LiveCertificates::of(&temp, &first);
    let auth_client = live.start(&temp).await;
    let ours = shown(&first, Some(&first));
    make_hang(&live.file("key"));

    let mut callers = JoinSet::new();
    let mut hanging = None;
    until("a look at the key", async || {
        let channel = connect(&auth_client.endpoint("https"), Some(&ours)).unwrap();
        callers.spawn(async move {
            let mut client = CheckpointServiceClient::new(channel);
            let _ = client.list_sessions(ListSessionsRequest::default()).await;
        });
        hanging = reader_of(&live.file("key"));
        hanging.is_some()
    })
    .await;
    assert!(
        connects(&auth_client, &ours).await,
        "one look shut the door"
    );

    drop(hanging);
    until("the complaint", async || {
        auth_client.service.log().contains("stays in force")
    })
    .await;
    assert!(connects(&auth_client, &ours).await);
}
