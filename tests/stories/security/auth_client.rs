//! A service that others can reach, and knocking at its door with and without a key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_redis_harness::Port;
use shim_runtime::auth::Credentials;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::config::{Config, Settings};
use shim_runtime::service_error::{DecodedStatus, decode};
use shim_tests::raw;
use shim_tests::service::{Launch, Service};
use tonic::Code;

/// A refusal comes at once, but for a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A stream that has let its caller in may be silent for ever.
const SILENCE: Duration = Duration::from_millis(300);

/// A method anybody with a token may call.
pub(super) const LIST_SESSIONS: &str = "/shim.checkpoint.v1.CheckpointService/ListSessions";

/// A service on all addresses of this machine.
pub(super) struct AuthClient {
    pub(super) service: Service,
    port: Port,
}

impl AuthClient {
    pub(super) async fn start(launch: Launch) -> Self {
        let port = Port::reserve();
        let address = format!("0.0.0.0:{}", port.number());
        let service = launch.env("SHIM_LISTEN", &address).start_or_panic().await;
        Self { service, port }
    }

    pub(super) fn endpoint(&self, scheme: &str) -> Endpoint {
        let url = format!("{scheme}://127.0.0.1:{}", self.port.number());
        url.parse().unwrap()
    }

    pub(super) fn channel(&self) -> Channel {
        connect(&self.endpoint("http"), None).unwrap()
    }

    /// Calls `path` with an empty message and waits for what is said.
    pub(super) async fn call(&self, path: &str, token: Option<&str>) -> Result<(), DecodedStatus> {
        let called = raw::call_empty(self.channel(), path, token, TIMEOUT).await;
        called.map_err(|status| decode(&status))
    }

    /// The refusal of a call that must not be let in.
    pub(super) async fn refusal(&self, path: &str, token: Option<&str>) -> DecodedStatus {
        match self.call(path, token).await {
            Ok(()) => panic!("{path} let {token:?} in"),
            Err(refused) => refused,
        }
    }

    /// Makes sure that a call is let in; whether its empty message pleases is another matter. Tells whether there was
    /// anything to be let into.
    pub(super) async fn assert_admitted(&self, path: &str, token: &str) -> bool {
        let called = raw::call_empty(self.channel(), path, Some(token), SILENCE).await;
        let Err(status) = called else { return true };
        let is_denied = matches!(
            status.code(),
            Code::Unauthenticated | Code::PermissionDenied
        );
        assert!(!is_denied, "{path} with {token}: {status}");
        status.code() != Code::Unimplemented
    }
}

/// A token file only its owner can read.
pub(super) fn write_token_file(folder: &Path, content: &str) -> PathBuf {
    let file = folder.join("tokens");
    // In one step, as an editor would: no reader sees half of it.
    let fresh = folder.join("tokens.new");
    std::fs::write(&fresh, content).unwrap();
    std::fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::rename(&fresh, &file).unwrap();
    file
}

/// What a client with this configuration shows.
pub(super) fn credentials(keys: &[(&str, &Path)]) -> Credentials {
    let keys = keys
        .iter()
        .map(|(key, path)| ((*key).to_owned(), path.display().to_string()));
    let mut settings = Settings::gather(None, [], keys).unwrap();
    let config = Config::read(&mut settings);
    settings.finish().unwrap();
    Credentials::of(config.token_file.as_deref(), &config.tls).unwrap()
}
