//! The configuration of one run: the file, the environment and the flags, read by every crate and judged at once.
//!
//! The file is `--config`, else `SHIM_CONFIG`, else `shim/shim.toml` in the platform's configuration folder if it is
//! there. The working folder is never searched: a project must not configure the stack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shim_runtime::config::{ConfigErrors, Settings};
use shim_runtime::process::own_program;
use shim_runtime::stack::Stack;

use crate::global_flags::{GlobalFlags, absolute};
use crate::hook::HookConfig;
use crate::up::redis_settings::{AppendFsync, MaxMemory};

/// Everything configured.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What every process shares.
    pub(crate) runtime: shim_runtime::config::Config,
    /// The checkpoint service's own keys.
    pub(crate) checkpoint: shim_checkpoint::Config,
    /// The coordination service's own keys.
    pub(crate) coordination: shim_coordination::Config,
    /// The worker service's own keys.
    pub(crate) worker: shim_worker::Config,
    /// The evolution service's own keys.
    pub(crate) evolution: shim_evolution::Config,
    /// When the private Redis writes through to the disk (`redis.appendfsync`).
    pub(crate) appendfsync: AppendFsync,
    /// How much memory the private Redis may take (`redis.maxmemory`).
    pub(crate) max_memory: MaxMemory,
    /// The gateway's own keys.
    pub(crate) gateway: shim_gateway::Config,
    /// What hooks of a client may do.
    pub(crate) hook: HookConfig,
    /// A digest of each setting, to compare with those of another process.
    pub(crate) setting_digests: BTreeMap<String, String>,
    /// The flags that name this configuration, to start another process with the same.
    pub(crate) flags: Vec<String>,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub(crate) fn load(
        global: &GlobalFlags,
        flags: Vec<(String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let file = file(global);
        let flags = global.settings().into_iter().chain(flags);
        let mut settings =
            Settings::gather(file.as_deref(), std::env::vars_os().filter_map(utf8), flags)?;
        let config = Self {
            runtime: runtime(&mut settings),
            checkpoint: checkpoint(&mut settings),
            coordination: shim_coordination::Config::read(&mut settings),
            worker: shim_worker::Config {
                supervisor: own_program().ok(),
                ..shim_worker::Config::read(&mut settings)
            },
            evolution: shim_evolution::Config {
                supervisor: own_program().ok(),
                ..shim_evolution::Config::read(&mut settings)
            },
            appendfsync: settings.get_or("redis.appendfsync", AppendFsync::Always),
            max_memory: settings.get_or("redis.maxmemory", MaxMemory::DEFAULT),
            gateway: shim_gateway::Config::read(&mut settings),
            hook: HookConfig::read(&mut settings),
            setting_digests: BTreeMap::new(),
            flags: global.flags(),
        };
        let setting_digests = settings.digests();
        settings.finish()?;
        Ok(Self {
            setting_digests,
            ..config
        })
    }

    /// The data folder.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.runtime.data_dir
    }

    /// The local stack.
    pub(crate) fn stack(&self) -> Stack {
        self.runtime.stack()
    }
}

/// What every process shares, with absolute paths: a detached stack leaves the folder it was started in.
fn runtime(settings: &mut Settings) -> shim_runtime::config::Config {
    let mut runtime = shim_runtime::config::Config::read(settings);
    runtime.data_dir = absolute(&runtime.data_dir);
    let secrets = runtime.token_file.iter_mut().chain(runtime.tls.files_mut());
    for file in secrets {
        *file = absolute(file);
    }
    runtime
}

/// The checkpoint service's own keys, with absolute paths.
fn checkpoint(settings: &mut Settings) -> shim_checkpoint::Config {
    let mut checkpoint = shim_checkpoint::Config::read(settings);
    if let Some(file) = &mut checkpoint.seal_key_file {
        *file = absolute(file);
    }
    checkpoint
}

/// The file to read: one that was named must exist, the platform's may.
pub(crate) fn file(global: &GlobalFlags) -> Option<PathBuf> {
    global
        .config
        .clone()
        .or_else(|| std::env::var_os("SHIM_CONFIG").map(PathBuf::from))
        .or_else(|| {
            let path = platform_file();
            path.is_file().then_some(path)
        })
}

fn platform_file() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = if cfg!(target_os = "macos") {
        home.join("Library/Application Support")
    } else {
        std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home.join(".config"))
    };
    folder.join("shim/shim.toml")
}

/// SHIM's settings are UTF-8; variables of other programs may not be, and are left out.
fn utf8((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
