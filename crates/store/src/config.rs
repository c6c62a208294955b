//! The settings of the store (`redis.*`, `coordination.*`, `registry.*`), on top of the shared `redis_url`.

use std::path::PathBuf;
use std::time::Duration;

use redis::{ClientTlsConfig, TlsCertificates};
use shim_runtime::config::Settings;

use crate::connection::SentinelCredentials;
use crate::redis_config::RedisConfig;

/// Settings of the store and of the services on it.
#[derive(Clone)]
pub struct Config {
    /// The Redis that is configured (`redis_url`); `None` lets the stack use its own.
    redis_url: Option<String>,
    /// Certificates of `rediss://` connections (`redis.ca_file`, `redis.cert_file`, `redis.key_file`).
    certificates: Option<TlsCertificates>,
    /// What Sentinels ask of a client, apart from the data nodes (`redis.sentinel_username`, `redis.sentinel_password`).
    sentinel: SentinelCredentials,
    /// The first part of every key (`coordination.key_prefix`, "shim").
    key_prefix: String,
    /// The nodes of Redlock (`coordination.lock_nodes`, comma-separated URLs); none means the one Redis.
    lock_nodes: Vec<String>,
    /// The heartbeats that workers are held to.
    pub registry: RegistryConfig,
}

/// Settings of the worker registry.
#[derive(Debug, Clone, Copy)]
pub struct RegistryConfig {
    /// How often a worker should beat (`registry.heartbeat`, 100 ms..1 h, 1.5 s).
    pub heartbeat: Duration,
    /// A worker that is silent for longer is dead (`registry.dead_after`, at least two heartbeats, at most 1 h, 5 s).
    pub dead_after: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(1_500),
            dead_after: Duration::from_secs(5),
        }
    }
}

impl std::fmt::Debug for Config {
    /// URLs may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("redis", &self.redis_url.is_some())
            .field("key_prefix", &self.key_prefix)
            .field("lock_nodes", &self.lock_nodes.len())
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the settings; [`Settings::finish`] reports the wrong ones.
    pub fn read(settings: &mut Settings) -> Self {
        let certificates = certificates(settings);
        let key_prefix = key_prefix(settings);
        let redis_url = settings.get::<String>("redis_url");
        check_url(
            settings,
            "redis_url",
            redis_url.as_deref(),
            certificates.as_ref(),
        );
        let nodes = settings.get::<String>("coordination.lock_nodes");
        let lock_nodes: Vec<_> = nodes
            .iter()
            .flat_map(|nodes| nodes.split(','))
            .map(|node| node.trim().to_owned())
            .filter(|node| !node.is_empty())
            .collect();
        for node in &lock_nodes {
            check_url(
                settings,
                "coordination.lock_nodes",
                Some(node),
                certificates.as_ref(),
            );
        }
        Self {
            redis_url,
            certificates,
            sentinel: sentinel(settings),
            key_prefix,
            lock_nodes,
            registry: registry(settings),
        }
    }

    /// Whether a Redis is configured.
    #[must_use]
    pub fn has_redis(&self) -> bool {
        self.redis_url.is_some()
    }

    /// The same with the Redis of the local stack, unless one is configured.
    #[must_use]
    pub fn or_redis(mut self, url: Option<String>) -> Self {
        self.redis_url = self.redis_url.or(url);
        self
    }

    /// The Redis of the store.
    ///
    /// # Errors
    /// If the URL is wrong, which [`Config::read`] refused already.
    pub fn redis_config(&self) -> Result<RedisConfig, String> {
        RedisConfig::new(
            self.redis_url.as_deref(),
            &self.key_prefix,
            &self.lock_nodes,
            self.certificates.as_ref(),
            &self.sentinel,
        )
    }
}

/// The start of every key. A brace in it would move all keys into one slot of a Cluster.
fn key_prefix(settings: &mut Settings) -> String {
    let prefix = settings.get_or("coordination.key_prefix", "shim".to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if !(1..=64).contains(&prefix.len()) || !prefix.chars().all(plain) {
        settings.refuse("coordination.key_prefix: must be 1..64 of letters, digits and ._:-");
    }
    prefix
}

fn check_url(
    settings: &mut Settings,
    key: &str,
    url: Option<&str>,
    certificates: Option<&TlsCertificates>,
) {
    let sentinel = SentinelCredentials::default();
    if let Err(wrong) = RedisConfig::new(url, "", &[], certificates, &sentinel) {
        settings.refuse(format!("{key}: {wrong}"));
    }
}

fn registry(settings: &mut Settings) -> RegistryConfig {
    let (tenth, hour) = (Duration::from_millis(100), Duration::from_secs(3_600));
    let heartbeat = settings.get_within(
        "registry.heartbeat",
        Duration::from_millis(1_500),
        tenth..=hour,
    );
    let dead_after =
        settings.get_within("registry.dead_after", Duration::from_secs(5), tenth..=hour);
    if dead_after < heartbeat * 2 {
        settings.refuse("registry.dead_after: must be at least twice registry.heartbeat, or one lost beat kills");
    }
    RegistryConfig {
        heartbeat,
        dead_after,
    }
}

fn sentinel(settings: &mut Settings) -> SentinelCredentials {
    let mut text = |key: &str| settings.get::<String>(key).filter(|text| !text.is_empty());
    let credentials = SentinelCredentials {
        username: text("redis.sentinel_username"),
        password: text("redis.sentinel_password"),
    };
    if credentials.username.is_some() && credentials.password.is_none() {
        settings.refuse("redis.sentinel_username: needs redis.sentinel_password");
    }
    credentials
}

fn certificates(settings: &mut Settings) -> Option<TlsCertificates> {
    let mut file = |key: &str| {
        let path: PathBuf = settings.get(key)?;
        std::fs::read(&path)
            .map_err(|why| settings.refuse(format!("{key}: cannot read {}: {why}", path.display())))
            .ok()
    };
    let root_cert = file("redis.ca_file");
    let client = (file("redis.cert_file"), file("redis.key_file"));
    let client_tls = match client {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig {
            client_cert,
            client_key,
        }),
        (None, None) => None,
        _ => {
            settings.refuse("redis.cert_file and redis.key_file: set both or none");
            None
        }
    };
    (root_cert.is_some() || client_tls.is_some()).then_some(TlsCertificates {
        client_tls,
        root_cert,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_prefix_is_plain_and_not_empty() {
        let is_taken = |prefix: &str| {
            let flags = [("coordination.key_prefix".to_owned(), prefix.to_owned())];
            let mut settings = Settings::gather(None, [], flags).unwrap();
            key_prefix(&mut settings);
            settings.finish().is_ok()
        };
        assert!(is_taken("shim") && is_taken(&"x".repeat(64)));
        for wrong in ["", "a{b}", "a b", &"x".repeat(65)] {
            assert!(!is_taken(wrong), "{wrong}");
        }
    }
}
