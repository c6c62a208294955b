//! Configuration: flags over `SHIM_*` environment over `shim.toml` over defaults.
//!
//! [`Settings`] gathers every source; each crate reads its own keys from it, and [`Settings::finish`] reports everything
//! wrong at once: bad values and keys nobody asked for. Nothing here reads the real environment by itself, so tests pass
//! a map.

mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tonic::transport::Uri;

use crate::client::Endpoint;
use crate::limits::Limits;
use crate::telemetry::ExportConfig;
use crate::tls::Tls;

pub use settings::{ConfigErrors, Setting, Settings};

/// Exit code of a process whose configuration is wrong (`EX_USAGE` of sysexits.h).
pub const EXIT_CONFIG: u8 = 64;

/// rmcp tells of every connection at INFO.
const DEFAULT_LOG_FILTER: &str = "info,rmcp=warn";

/// More than that no process answers.
const MAX_TRACES_PER_SECOND: u32 = 1_000_000;

/// Where the services are; `None` means the local stack.
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

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// A collector of OpenTelemetry. One far away is reached through one nearby, which knows about TLS and retries.
struct Collector(Uri);

impl Setting for Collector {
    fn parse(text: &str) -> Result<Self, String> {
        let uri = text.parse::<Uri>().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.port().is_some());
        uri.map(Self)
            .ok_or_else(|| "an address such as http://127.0.0.1:4317".to_owned())
    }
}

/// What is logged, and how. Logs go to stderr only.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A `tracing` filter, for example `info,shim_checkpoint=debug`.
    pub filter: String,
    /// The look of a line.
    pub format: LogFormat,
}

/// The keys every process shares.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file these keys were read from, to start other processes with.
    pub file: Option<PathBuf>,
    /// Holds the database, the sockets and the private Redis (`data_dir`).
    pub data_dir: PathBuf,
    /// A Redis to use instead of the private one (`redis_url`).
    pub redis_url: Option<String>,
    /// The TCP address a server listens on (`listen`).
    pub listen: Option<SocketAddr>,
    /// Where the HTTP probes are (`metrics_listen`); nowhere unless it is set.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether other machines see `/metrics` there without a token (`metrics.open`).
    pub metrics_open: bool,
    /// Where a client finds the services (`endpoints.*`).
    pub endpoints: Endpoints,
    /// The namespace of state, locks and files (`workspace`); unset, the one of the git repository around.
    pub workspace: Option<String>,
    /// The tokens a server accepts; a client shows the first (`auth.token_file`).
    pub token_file: Option<PathBuf>,
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
            workspace: settings.get("workspace"),
            token_file: settings.get("auth.token_file"),
            tls: Tls::read(settings),
            limits: Limits::read(settings),
            log: LogConfig {
                filter: settings.get_or("log.filter", DEFAULT_LOG_FILTER.to_owned()),
                format: settings.get_or("log.format", LogFormat::Pretty),
            },
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shim.toml");
        std::fs::write(
            &file,
            "data_dir = '/from/file'\nredis_url = 'redis://file'\n[log]\nfilter = 'warn'\n",
        )
        .unwrap();
        let mut settings = Settings::gather(
            Some(&file),
            pairs(&[
                ("SHIM_REDIS_URL", "redis://env"),
                ("SHIM_LOG_FILTER", "debug"),
                ("HOME", "/h"),
            ]),
            pairs(&[("log.filter", "trace")]),
        )
        .unwrap();
        let config = Config::read(&mut settings);
        settings.finish().unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/from/file"));
        assert_eq!(config.redis_url.as_deref(), Some("redis://env"));
        assert_eq!(config.log.filter, "trace");
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let mut settings = Settings::gather(
            None,
            pairs(&[("SHIM_LISTEN", "nonsense"), ("SHIM_TYPO", "1")]),
            pairs(&[("log.format", "xml"), ("no.such", "x")]),
        )
        .unwrap();
        Config::read(&mut settings);
        let errors = settings.finish().unwrap_err().0;
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(
            errors
                .iter()
                .any(|e| e.contains("SHIM_LISTEN") && e.contains("127.0.0.1:50051"))
        );
        assert!(errors.iter().any(|e| e.contains("SHIM_TYPO")));
        assert!(errors.iter().any(|e| e.contains("--log-format")));
        assert!(errors.iter().any(|e| e.contains("no.such")));
    }

    #[test]
    fn a_key_can_be_read_by_several_crates() {
        let env = pairs(&[
            ("SHIM_REDIS_URL", "redis://env"),
            ("SHIM_LISTEN", "nonsense"),
        ]);
        let mut settings = Settings::gather(None, env, []).unwrap();
        for _crate in 0..2 {
            assert_eq!(settings.get("redis_url"), Some("redis://env".to_owned()));
            assert_eq!(settings.get::<SocketAddr>("listen"), None);
        }
        assert_eq!(settings.finish().unwrap_err().0.len(), 1);
    }

    #[test]
    fn what_a_worker_passes_to_its_programs_is_no_setting() {
        let env = pairs(&[("SHIM_TASK_ID", "t"), ("SHIM_TASK_LEASE", "7")]);
        assert!(Settings::gather(None, env, []).unwrap().finish().is_ok());
    }

    #[test]
    fn a_value_outside_its_range_names_the_range() {
        let mut settings = Settings::gather(None, [], pairs(&[("n", "9")])).unwrap();
        assert_eq!(settings.get_within("n", 2_u64, 1..=5), 2);
        assert!(settings.finish().unwrap_err().0[0].contains("1..=5"));
    }

    fn from_file(text: &str, env: &[(&str, &str)]) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shim.toml");
        std::fs::write(&file, text).unwrap();
        Settings::gather(Some(&file), pairs(env), []).unwrap()
    }

    #[test]
    fn a_list_is_an_array_in_the_file_and_separated_by_commas_elsewhere() {
        let text = "args = ['-p', 'a,b', 3]\nnone = []\n[deep]\nlists = [['x']]\n";
        let mut settings = from_file(
            text,
            &[("SHIM_PLACES", " /a, /b ,"), ("SHIM_NUMBERS", "1,x")],
        );
        let texts = |list: &[&str]| Some(list.iter().map(|item| (*item).to_owned()).collect());
        assert_eq!(
            settings.get_list::<String>("args"),
            texts(&["-p", "a,b", "3"])
        );
        assert_eq!(settings.get_list::<String>("places"), texts(&["/a", "/b"]));
        assert_eq!(settings.get_list::<String>("none"), texts(&[]));
        assert_eq!(settings.get_list::<String>("unset"), None);
        assert_eq!(settings.get_list::<u32>("numbers"), None);
        assert_eq!(settings.get::<String>("args"), None);
        let errors = settings.finish().unwrap_err().0;
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[0].contains("deep.lists"));
        assert!(errors[1].contains("SHIM_NUMBERS") && errors[1].contains("\"x\""));
        assert!(errors[2].contains("not a list"));
    }

    #[test]
    fn names_are_found_in_the_file_and_in_the_environment() {
        let fields = ["program", "args", "allow_args"];
        let mut settings = from_file(
            "[tools.lint]\nprogram = 'eslint'\n[tools.code-mod]\nprogram = 'x'\nwrong = 1\n",
            &[
                ("SHIM_TOOLS_LINT_ALLOW_ARGS", "true"),
                ("SHIM_TOOLS_MY_TEST_PROGRAM", "t"),
                ("SHIM_TOOLS_PROGRAM", "nameless"),
            ],
        );
        let names = settings.names_below("tools", &fields);
        assert_eq!(Vec::from_iter(&names), ["code-mod", "lint", "my_test"]);
        for name in names {
            settings.get::<String>(&format!("tools.{name}.program"));
            settings.get::<bool>(&format!("tools.{name}.allow_args"));
        }
        let errors = settings.finish().unwrap_err().0;
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].contains("tools.code-mod.wrong"));
        assert!(errors[1].contains("SHIM_TOOLS_PROGRAM"));
    }
}
