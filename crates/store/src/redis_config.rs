//! Names the Redis of a store: its address, its lock nodes and the prefix of its keys.

use redis::TlsCertificates;

use super::connection::{Address, SentinelCredentials};

/// The Redis of a store.
#[derive(Clone)]
pub struct RedisConfig {
    /// `None` if no Redis is configured.
    pub(crate) address: Option<Address>,
    /// The nodes of Redlock; none means the one Redis.
    pub(crate) lock_nodes: Vec<Address>,
    pub(crate) key_prefix: String,
}

impl RedisConfig {
    /// # Errors
    /// If a URL is wrong; the text says what is wrong.
    pub(crate) fn new(
        url: Option<&str>,
        key_prefix: &str,
        lock_nodes: &[String],
        certificates: Option<&TlsCertificates>,
        sentinel: &SentinelCredentials,
    ) -> Result<Self, String> {
        let parse = |url: &str| {
            let address = Address::parse(url, certificates)?;
            Ok::<_, String>(address.with_sentinel_credentials(sentinel))
        };
        let address = url.map(parse).transpose()?;
        let lock_nodes = lock_nodes.iter().map(|url| match parse(url)? {
            node @ Address::Node(..) => Ok(node),
            _ => Err("a lock node is one server: redis://, rediss:// or redis+unix://".to_owned()),
        });
        Ok(Self {
            address,
            lock_nodes: lock_nodes.collect::<Result<_, _>>()?,
            key_prefix: key_prefix.to_owned(),
        })
    }
}
