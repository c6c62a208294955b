//! The master of a set that Sentinels watch. A server that fails on the way to it is named.
//!
//! Sentinels have users and passwords of their own, apart from those of the data nodes. One command is sent to them,
//! `SENTINEL GET-MASTER-ADDR-BY-NAME`, so that a user who may do no more is enough.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError,
    RedisResult, Value,
};

use super::redis_error::{Refusal, refusal_of};
use super::timeouts::{ANSWER_WITHIN, CONNECT_WITHIN};

/// What Sentinels ask of a client.
#[derive(Clone, Default)]
pub(crate) struct SentinelCredentials {
    /// The user (`redis.sentinel_username`); none means the default user.
    pub(crate) username: Option<String>,
    /// The password (`redis.sentinel_password`).
    pub(crate) password: Option<String>,
}

impl SentinelCredentials {
    fn apply(&self, sentinel: &ConnectionInfo) -> ConnectionInfo {
        let mut settings = sentinel.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        sentinel.clone().set_redis_settings(settings)
    }
}

/// The Sentinels of one master.
#[derive(Clone)]
pub(crate) struct SentinelSet {
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// The name of the master at the Sentinels.
    pub(super) master: String,
    /// The master with any host: its user, password, database and certificates.
    pub(super) node: ConnectionInfo,
}

impl SentinelSet {
    /// The same set with what its Sentinels ask of a client.
    pub(super) fn with_credentials(mut self, credentials: &SentinelCredentials) -> Self {
        for sentinel in &mut self.sentinels {
            *sentinel = credentials.apply(sentinel);
        }
        self
    }

    /// The master that the first Sentinel to answer names, which says itself that it is one.
    ///
    /// # Errors
    /// Of each Sentinel, why there is none, with the server that failed.
    pub(crate) async fn master(&self) -> RedisResult<Client> {
        let lookup = |(index, sentinel)| async move { (index, self.master_of(sentinel).await) };
        let sentinels = self.sentinels.iter().enumerate();
        let mut lookups: FuturesUnordered<_> = sentinels.map(lookup).collect();
        let mut failures = Vec::new();
        while let Some((index, found)) = lookups.next().await {
            match found {
                Ok(client) => return Ok(client),
                Err(why) => failures.push((index, why)),
            }
        }
        // In the order of the configuration, so that the same trouble reads the same.
        failures.sort_unstable();
        let failures: Vec<_> = failures.into_iter().map(|(_, why)| why).collect();
        Err(RedisError::from((
            ErrorKind::MasterNameNotFoundBySentinel,
            "no Sentinel leads to the master",
            failures.join("; "),
        )))
    }

    async fn master_of(&self, sentinel: &ConnectionInfo) -> Result<Client, String> {
        let at = sentinel.addr();
        let named = self.ask(sentinel).await.map_err(|error| {
            let why = match refusal_of(&error) {
                Refusal::NoPassword => "wants a password: set redis.sentinel_password".to_owned(),
                Refusal::WrongPassword => {
                    "refuses redis.sentinel_username or redis.sentinel_password".to_owned()
                }
                Refusal::Other => error.to_string(),
            };
            format!("Sentinel {at}: {why}")
        })?;
        let Some((host, port)) = named else {
            return Err(format!("Sentinel {at} knows no master \"{}\"", self.master));
        };
        let server = format!("{host}:{port}");
        let master = self.is_master(host, port).await;
        master.map_err(|why| format!("{server}, the master that Sentinel {at} names: {why}"))
    }

    /// The host and port of the master; `None` if the Sentinel knows none of this name.
    async fn ask(&self, sentinel: &ConnectionInfo) -> RedisResult<Option<(String, u16)>> {
        let mut connection = Client::open(sentinel.clone())?
            .get_multiplexed_async_connection_with_config(&patience())
            .await?;
        redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.master)
            .query_async(&mut connection)
            .await
    }

    /// A client of the server, if it is a master in its own eyes: a Sentinel may still name the one before.
    async fn is_master(&self, host: String, port: u16) -> Result<Client, String> {
        let role = async {
            let client = Client::open(self.node_at(host, port))?;
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&patience())
                .await?;
            let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
            RedisResult::Ok((client, role))
        };
        let (client, role) = role.await.map_err(|error| match refusal_of(&error) {
            Refusal::NoPassword => "wants a password: give it in redis_url".to_owned(),
            Refusal::WrongPassword => "refuses the user or password of redis_url".to_owned(),
            Refusal::Other => error.to_string(),
        })?;
        match role.first() {
            Some(Value::BulkString(role)) if role.as_slice() == b"master" => Ok(client),
            _ => Err("is no master now".to_owned()),
        }
    }

    fn node_at(&self, at_host: String, at_port: u16) -> ConnectionInfo {
        let mut address = self.node.addr().clone();
        match &mut address {
            ConnectionAddr::TcpTls { host, port, .. } => (*host, *port) = (at_host, at_port),
            other => *other = ConnectionAddr::Tcp(at_host, at_port),
        }
        self.node.clone().set_addr(address)
    }
}

fn patience() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN))
}
