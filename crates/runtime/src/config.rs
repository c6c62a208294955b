//! The configuration that every process shares, read from its [`Settings`].
//!
//! It names the part of each module of this crate; no module below knows it: each takes its own part as a value.

mod log;

use std::net::SocketAddr;
use std::path::PathBuf;

use tonic::transport::Uri;

use crate::auth::{Auth, Credentials, CredentialsError, LoopbackAccess, TokenError};
use crate::client::Endpoint;
use crate::data_dir::{self, Coverage, Sharing, Untrusted};
use crate::limits::Limits;
use crate::stack::Stack;
use crate::telemetry::ExportConfig;
use crate::tls::Tls;
use crate::workspace::namespace;

pub use crate::settings::digests::{BY_FLAG, digest};
pub use crate::settings::{ConfigErrors, Setting, Settings};
pub use log::{LogConfig, LogFormat};

/// Exit code of a process whose configuration is wrong (`EX_USAGE` of sysexits.h).
pub const EXIT_CONFIG: u8 = 64;

/// No process answers more.
const MAX_TRACES_PER_SECOND: u32 = 1_000_000;

/// The services of a client; `None` means the local stack.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// Sessions, checkpoints, signals, recovery.
    pub checkpoint: Option<Endpoint>,
    /// State, locks, bus, registry, tasks.
    pub coordination: Option<Endpoint>,
    /// Workers.
    pub worker: Option<Endpoint>,
    /// Code analysis and evolution.
    pub evolution: Option<Endpoint>,
}

impl Endpoints {
    fn any_uses_tls(&self) -> bool {
        [
            &self.checkpoint,
            &self.coordination,
            &self.worker,
            &self.evolution,
        ]
        .into_iter()
        .flatten()
        .any(Endpoint::uses_tls)
    }
}

/// A collector of OpenTelemetry without TLS: a nearby one knows about TLS and retries to a remote one.
struct Collector(Uri);

impl Setting for Collector {
    fn parse(text: &str) -> Result<Self, String> {
        let uri = text.parse::<Uri>().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.port().is_some());
        uri.map(Self)
            .ok_or_else(|| "an address such as http://127.0.0.1:4317".to_owned())
    }
}

/// The keys every process shares.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file these keys were read from, to start other processes with.
    pub file: Option<PathBuf>,
    /// Holds the database, the sockets and the private Redis (`data_dir`).
    pub data_dir: PathBuf,
    /// Whether others than this user may have a hand in it (`data_dir_shared`).
    pub sharing: Sharing,
    /// A Redis to use instead of the private one (`redis_url`).
    pub redis_url: Option<String>,
    /// The TCP address a server listens on (`listen`).
    pub listen: Option<SocketAddr>,
    /// The address of the HTTP probes (`metrics_listen`); unset, there are none.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether other machines see `/metrics` there without a token (`metrics.open`).
    pub metrics_open: bool,
    /// The addresses of the services for a client (`endpoints.*`).
    pub endpoints: Endpoints,
    /// The namespace of state, locks and files (`workspace`); unset, the one of the git repository around.
    pub workspace: Option<String>,
    /// The tokens a server accepts; a client shows the first (`auth.token_file`).
    pub token_file: Option<PathBuf>,
    /// Whether every user of this machine may call over TCP on loopback without a token (`auth.open`).
    pub auth_open: bool,
    /// TLS on TCP (`tls.*`).
    pub tls: Tls,
    /// How much one caller may ask for (`limits.*`).
    pub limits: Limits,
    /// Logging (`log.filter`, `log.format`).
    pub log: LogConfig,
    /// Tracing (`otlp_endpoint`, `otlp.sample_ratio`, `otlp.traces_per_second`).
    pub export: ExportConfig,
}

impl Config {
    /// Reads the shared keys.
    pub fn read(settings: &mut Settings) -> Self {
        let config = Self {
            file: settings.file().map(PathBuf::from),
            data_dir: settings.get("data_dir").unwrap_or_else(default_data_dir),
            sharing: settings.get_or("data_dir_shared", false).into(),
            redis_url: settings.get("redis_url"),
            listen: settings.get("listen"),
            metrics_listen: settings.get("metrics_listen"),
            metrics_open: settings.get_or("metrics.open", false),
            endpoints: Endpoints {
                checkpoint: settings.get("endpoints.checkpoint"),
                coordination: settings.get("endpoints.coordination"),
                worker: settings.get("endpoints.worker"),
                evolution: settings.get("endpoints.evolution"),
            },
            workspace: workspace(settings),
            token_file: settings.get("auth.token_file"),
            auth_open: settings.get_or("auth.open", false),
            tls: Tls::read(settings),
            limits: Limits::read(settings),
            log: LogConfig::read(settings),
            export: ExportConfig {
                endpoint: settings.get::<Collector>("otlp_endpoint").map(|it| it.0),
                sample_ratio: settings.get_within("otlp.sample_ratio", 1.0, 0.0..=1.0),
                traces_per_second: settings.get_within(
                    "otlp.traces_per_second",
                    1_000,
                    0..=MAX_TRACES_PER_SECOND,
                ),
            },
        };
        if config.endpoints.any_uses_tls() && config.tls.ca_file.is_none() {
            settings
                .refuse("an https:// endpoint needs tls.ca_file: no server is trusted without it");
        }
        config
    }

    /// The local stack of the data folder.
    #[must_use]
    pub fn stack(&self) -> Stack {
        Stack::at(&self.data_dir)
            .with_config_file(self.file.clone())
            .in_folder(self.sharing)
    }

    /// Looks at the data folder before anything in it is used.
    ///
    /// # Errors
    /// If somebody else has a hand in it.
    pub fn admit_data_dir(&self) -> Result<(), Untrusted> {
        data_dir::admit(&self.data_dir, self.sharing)
    }

    /// Looks also at what lies deeper in the data folder, as a start of the stack does.
    ///
    /// # Errors
    /// If somebody else has a hand in it.
    pub fn admit_whole_data_dir(&self) -> Result<Coverage, Untrusted> {
        self.admit_data_dir()?;
        data_dir::admit_contents(&self.data_dir, self.sharing)
    }

    /// What a server that listens on `address` asks its callers for, beyond `auth`, which is what is configured.
    ///
    /// # Errors
    /// If the data folder's token can be neither read nor made.
    pub fn protect(&self, auth: Auth, address: SocketAddr) -> Result<Auth, TokenError> {
        auth.or_local(&self.loopback_access(), address)
    }

    /// What a client shows: what is configured, and to services on this machine the data folder's token.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let configured = Credentials::of(self.token_file.as_deref(), &self.tls)?;
        Ok(configured.or_local_token(self.loopback_access()))
    }

    fn loopback_access(&self) -> LoopbackAccess {
        LoopbackAccess {
            data_dir: self.data_dir.clone(),
            sharing: self.sharing,
            is_open: self.auth_open,
        }
    }
}

/// An empty variable of the environment is one that is not set.
fn workspace(settings: &mut Settings) -> Option<String> {
    let name = settings.get::<String>("workspace")?;
    (!name.trim().is_empty()).then(|| namespace(&name))
}

/// The platform's data folder plus `shim`: `$XDG_DATA_HOME` or `~/.local/share` on Linux,
/// `~/Library/Application Support` on macOS.
#[must_use]
pub fn default_data_dir() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let base = if cfg!(target_os = "macos") {
        home.join("Library/Application Support")
    } else {
        std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home.join(".local/share"))
    };
    base.join("shim")
}
