//! The service's own settings (`checkpoint.*`), each with a default that suits one developer's machine.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use shim_runtime::config::Settings;

use crate::domain::observation::due::ObservedPace;
use crate::domain::risk::RiskLimits;
use crate::domain::seal::SealKey;

/// Settings of the checkpoint service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Silence of an owner longer than this interrupts its session (`checkpoint.lease`, 15 s).
    pub lease: Duration,
    /// What the risk is judged by (`signals.*`).
    pub risk: RiskLimits,
    /// When old checkpoint contents are dropped (`retention.*`).
    pub retention: Retention,
    /// zstd level of stored states, 1..=19 (`checkpoint.zstd_level`, 1: a save waits for it).
    pub zstd_level: u32,
    /// How long observed work may stand in no checkpoint (`checkpoint.observed.*`).
    pub observed: ObservedPace,
    /// The file whose secret seals what is stored (`checkpoint.seal_key_file`, none).
    pub seal_key_file: Option<PathBuf>,
}

/// How long contents are kept; headers stay until their session is deleted.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Everything younger is kept (`retention.keep_all`, 24 h).
    pub keep_all: Duration,
    /// Younger than this one an hour is kept (`retention.keep_hourly`, 7 d); older, one a day.
    pub keep_hourly: Duration,
}

impl Config {
    /// Reads the service's keys.
    pub fn read(settings: &mut Settings) -> Self {
        let second = Duration::from_secs(1);
        Self {
            lease: settings.get_within("checkpoint.lease", 15 * second, second..=3600 * second),
            risk: RiskLimits::read(settings),
            retention: Retention {
                keep_all: settings.get_or("retention.keep_all", Duration::from_secs(24 * 3600)),
                keep_hourly: settings
                    .get_or("retention.keep_hourly", Duration::from_secs(7 * 24 * 3600)),
            },
            zstd_level: settings.get_within("checkpoint.zstd_level", 1, 1..=19),
            observed: ObservedPace {
                every_calls: settings.get_within(
                    "checkpoint.observed.every_calls",
                    10,
                    1..=1_000_000,
                ),
                every: settings.get_within(
                    "checkpoint.observed.every",
                    300 * second,
                    second..=24 * 3600 * second,
                ),
            },
            seal_key_file: settings.get("checkpoint.seal_key_file"),
        }
    }

    /// The key of the seals over what `data_dir` holds; `None` if none is configured.
    ///
    /// # Errors
    /// In words, if the file cannot serve: it must lie outside of the data folder, be readable to its owner alone, and hold
    /// 32 bytes to 4 KiB.
    pub fn seal_key(&self, data_dir: &Path) -> Result<Option<SealKey>, String> {
        let Some(file) = &self.seal_key_file else {
            return Ok(None);
        };
        let refuse = |why: String| format!("checkpoint.seal_key_file {}: {why}", file.display());
        let secret = read_secret(file, data_dir).map_err(refuse)?;
        Ok(Some(SealKey::derive(&secret)))
    }
}

fn read_secret(file: &Path, data_dir: &Path) -> Result<Vec<u8>, String> {
    let said = |error: std::io::Error| error.to_string();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(file);
    let opened = opened.map_err(said)?;
    let meta = opened.metadata().map_err(said)?;
    if !meta.is_file() {
        return Err("is no regular file".to_owned());
    }
    if meta.mode() & 0o077 != 0 {
        return Err("others than its owner may read or write it; chmod it to 600".to_owned());
    }
    let owners = [data_dir.metadata().map_or(0, |folder| folder.uid()), 0];
    if !owners.contains(&meta.uid()) {
        let uid = meta.uid();
        return Err(format!(
            "belongs to uid {uid}, which is neither the data folder's owner nor root"
        ));
    }
    if let (Ok(file), Ok(folder)) = (file.canonicalize(), data_dir.canonicalize())
        && file.starts_with(&folder)
    {
        return Err(
            "lies in the data folder, which it should protect; keep it elsewhere".to_owned(),
        );
    }
    let mut secret = Vec::new();
    let bounded = &mut opened.take(MAX_SECRET_BYTES as u64 + 1);
    bounded.read_to_end(&mut secret).map_err(said)?;
    let secret = secret.trim_ascii().to_vec();
    if !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&secret.len()) {
        return Err(format!(
            "holds {} bytes, {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} are needed; `openssl rand -hex 32` makes them",
            secret.len()
        ));
    }
    Ok(secret)
}

/// Bytes of the secret that seals are made with, without blanks around it.
const MIN_SECRET_BYTES: usize = 32;
const MAX_SECRET_BYTES: usize = 4_096;

impl RiskLimits {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let mut number = |key: &str, or: f64| settings.get_within(key, or, 0.0..=1e12);
        Self {
            tokens: number("signals.tokens", default.tokens),
            tokens_weight: number("signals.tokens_weight", default.tokens_weight),
            checkpoint_age_ms: number("signals.checkpoint_age_ms", default.checkpoint_age_ms),
            checkpoint_age_weight: number(
                "signals.checkpoint_age_weight",
                default.checkpoint_age_weight,
            ),
            memory: number("signals.memory", default.memory),
            memory_weight: number("signals.memory_weight", default.memory_weight),
            context: (
                number("signals.context_warning", default.context.0),
                number("signals.context_danger", default.context.1),
            ),
            messages: (
                number("signals.messages_warning", default.messages.0),
                number("signals.messages_danger", default.messages.1),
            ),
            session_minutes: (
                number("signals.session_minutes_warning", default.session_minutes.0),
                number("signals.session_minutes_danger", default.session_minutes.1),
            ),
            tool_calls: (
                number("signals.tool_calls_warning", default.tool_calls.0),
                number("signals.tool_calls_danger", default.tool_calls.1),
            ),
            failure_rate: (
                number("signals.failure_rate_warning", default.failure_rate.0),
                number("signals.failure_rate_danger", default.failure_rate.1),
            ),
            latency_growth: (
                number("signals.latency_growth_warning", default.latency_growth.0),
                number("signals.latency_growth_danger", default.latency_growth.1),
            ),
        }
    }
}
