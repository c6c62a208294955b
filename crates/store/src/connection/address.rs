//! The address of Redis: one server, the master that Sentinels name, or a Cluster; over TCP, TLS or a Unix socket.
//!
//! A URL is parsed once, at the start, so that a wrong one is reported with the other errors of the configuration.

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{Client, ConnectionAddr, RedisResult, TlsCertificates};

use super::sentinel::{SentinelCredentials, SentinelSet};
use super::timeouts::{ANSWER_WITHIN, CONNECT_WITHIN};

const SENTINEL_PORT: &str = "26379";

/// How to reach a Redis.
#[derive(Clone)]
pub(crate) enum Address {
    /// One server, and the certificates of connections to it.
    Node(Box<Client>, Option<TlsCertificates>),
    /// The master of a set that Sentinels watch, and the certificates of connections to it.
    Sentinel(Box<SentinelSet>, Option<TlsCertificates>),
    /// A Cluster, its seed nodes, and the certificates of connections to them. One seed carries the subscriptions.
    Cluster(Box<ClusterClient>, Vec<Client>, Option<TlsCertificates>),
}

impl Address {
    /// Reads a URL: `redis://`, `rediss://`, `redis+unix://`, and `redis+sentinel://`, `redis+cluster://` or their
    /// `rediss` forms with a comma-separated list of hosts.
    ///
    /// # Errors
    /// What is wrong with the URL, in words that follow the setting's name.
    pub(crate) fn parse(url: &str, certificates: Option<&TlsCertificates>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(expected)?;
        if scheme.starts_with("rediss") {
            install_crypto_provider();
        }
        let (tls, kind) = match scheme {
            "redis+sentinel" => (false, Kind::Sentinel),
            "rediss+sentinel" => (true, Kind::Sentinel),
            "redis+cluster" => (false, Kind::Cluster),
            "rediss+cluster" => (true, Kind::Cluster),
            "redis" | "rediss" | "redis+unix" | "unix" => {
                return node(url, certificates)
                    .map(|client| Self::Node(Box::new(client), certificates.cloned()))
                    .map_err(|error| message_of(&error));
            }
            _ => return Err(expected()),
        };
        let parts = Parts::of(rest, tls);
        let parsed = match kind {
            Kind::Sentinel => parts.sentinel(certificates),
            Kind::Cluster => parts.cluster(certificates),
        };
        parsed.map_err(|error| message_of(&error))
    }

    /// The servers that accept a subscriber now, to be tried in this order.
    ///
    /// # Errors
    /// If no Sentinel names a master.
    pub(crate) async fn clients(&self) -> RedisResult<Vec<Client>> {
        match self {
            Self::Node(client, _) => Ok(vec![(**client).clone()]),
            Self::Sentinel(set, _) => Ok(vec![set.master().await?]),
            Self::Cluster(_, seeds, _) => Ok(seeds.clone()),
        }
    }

    /// Whether it is one server behind a Unix socket.
    pub(crate) fn is_local_socket(&self) -> bool {
        let Self::Node(client, _) = self else {
            return false;
        };
        matches!(client.get_connection_info().addr(), ConnectionAddr::Unix(_))
    }

    /// The configured certificates.
    pub(crate) fn certificates(&self) -> Option<&TlsCertificates> {
        match self {
            Self::Node(_, certificates)
            | Self::Sentinel(_, certificates)
            | Self::Cluster(_, _, certificates) => certificates.as_ref(),
        }
    }

    /// The same address with what its Sentinels ask of a client.
    pub(crate) fn with_sentinel_credentials(self, credentials: &SentinelCredentials) -> Self {
        match self {
            Self::Sentinel(set, certificates) => {
                Self::Sentinel(Box::new(set.with_credentials(credentials)), certificates)
            }
            other => other,
        }
    }

    /// Why a connection failed, with the server that failed. A set of Sentinels names it itself.
    pub(crate) fn name_in(&self, why: &str) -> String {
        match self {
            Self::Node(client, _) => {
                format!("{}: {why}", client.get_connection_info().addr())
            }
            Self::Sentinel(..) => why.to_owned(),
            Self::Cluster(_, seeds, _) => {
                let seeds = seeds.iter();
                let seeds: Vec<_> = seeds
                    .map(|seed| seed.get_connection_info().addr().to_string())
                    .collect();
                format!("the Cluster at {}: {why}", seeds.join(", "))
            }
        }
    }
}

/// redis-rs uses the process's default cryptography, and panics if there is none. An error means that there is one.
fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

enum Kind {
    Sentinel,
    Cluster,
}

fn expected() -> String {
    "must begin with redis://, rediss://, redis+unix://, redis+sentinel:// or redis+cluster://"
        .to_owned()
}

/// The message of redis-rs without the URL, which may contain a password.
fn message_of(error: &redis::RedisError) -> String {
    error
        .detail()
        .map_or_else(|| error.category().to_owned(), str::to_owned)
}

fn node(url: &str, certificates: Option<&TlsCertificates>) -> RedisResult<Client> {
    match certificates {
        Some(certificates) if url.starts_with("rediss://") => {
            Client::build_with_tls(url, certificates.clone())
        }
        _ => Client::open(url),
    }
}

/// The parts of a URL with several hosts.
struct Parts<'a> {
    user: Option<&'a str>,
    hosts: Vec<&'a str>,
    path: &'a str,
    scheme: &'static str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str, tls: bool) -> Self {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        Self {
            user,
            hosts: hosts.split(',').filter(|host| !host.is_empty()).collect(),
            path,
            scheme: if tls { "rediss" } else { "redis" },
        }
    }

    fn url(&self, host: &str, user: Option<&str>, path: &str) -> String {
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        format!("{}://{user}{host}/{path}", self.scheme)
    }

    fn cluster(&self, certificates: Option<&TlsCertificates>) -> RedisResult<Address> {
        let urls: Vec<_> = self
            .hosts
            .iter()
            .map(|host| self.url(host, self.user, ""))
            .collect();
        let seeds = urls
            .iter()
            .map(|url| node(url, certificates))
            .collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClientBuilder::new(urls)
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(ANSWER_WITHIN)
            .overall_response_timeout(Some(ANSWER_WITHIN))
            .retries(8)
            .min_retry_wait(5)
            .max_retry_wait(100);
        if let (Some(certificates), "rediss") = (certificates, self.scheme) {
            builder = builder.certs(certificates.clone());
        }
        Ok(Address::Cluster(
            Box::new(builder.build()?),
            seeds,
            certificates.cloned(),
        ))
    }

    fn sentinel(&self, certificates: Option<&TlsCertificates>) -> RedisResult<Address> {
        let (master, database) = self.path.split_once('/').unwrap_or((self.path, ""));
        if master.is_empty() || self.hosts.is_empty() {
            return Err(redis::RedisError::from((
                redis::ErrorKind::InvalidClientConfig,
                "sentinel URL",
                "must be redis+sentinel://HOST:PORT,HOST:PORT/MASTER".to_owned(),
            )));
        }
        let sentinels = self
            .hosts
            .iter()
            .map(|host| {
                let host = if host.contains(':') {
                    (*host).to_owned()
                } else {
                    format!("{host}:{SENTINEL_PORT}")
                };
                node(&self.url(&host, None, ""), certificates)
                    .map(|client| client.get_connection_info().clone())
            })
            .collect::<RedisResult<Vec<_>>>()?;
        // The URL's password and database are those of the master; the Sentinels name its host.
        let master_url = self.url("localhost", self.user, database);
        let set = SentinelSet {
            sentinels,
            master: master.to_owned(),
            node: node(&master_url, certificates)?
                .get_connection_info()
                .clone(),
        };
        let certificates = certificates.filter(|_| self.scheme == "rediss");
        Ok(Address::Sentinel(Box::new(set), certificates.cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_url_is_read() {
        for url in [
            "redis://127.0.0.1:6379/2",
            "redis://user:secret@127.0.0.1:6379",
            "rediss://127.0.0.1:6379",
            "redis+unix:///run/redis.sock",
            "unix:///run/redis.sock",
            "redis+sentinel://:secret@a:26379,b/main/1",
            "redis+cluster://a:7000,b:7001",
            "rediss+cluster://u:p@a:7000",
        ] {
            assert!(Address::parse(url, None).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_reported_without_its_password() {
        for url in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis+sentinel://a:26379",
            "redis+cluster://",
            "redis://user:secret@host:port",
        ] {
            let wrong = Address::parse(url, None).err();
            assert!(
                wrong
                    .as_ref()
                    .is_some_and(|wrong| !wrong.contains("secret")),
                "{url}: {wrong:?}"
            );
        }
    }
}
