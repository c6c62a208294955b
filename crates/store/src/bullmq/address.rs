//! The address of the store's Redis in the form of BullMQ, which opens connections of its own.

use bullmq::options::{RedisConnectionOptions, TlsCerts};
use redis::{Client, ConnectionAddr, ConnectionInfo, TlsCertificates};

use crate::connection::{Address, classify};
use crate::error::Error;

/// How BullMQ reaches an address now; with Sentinels, that is the master of this moment.
///
/// # Errors
/// `Unavailable` if no Sentinel names a master.
pub(super) async fn connection_options(address: &Address) -> Result<RedisConnectionOptions, Error> {
    let clients = address.clients().await.map_err(|error| classify(&error))?;
    let nodes: Vec<&ConnectionInfo> = clients.iter().map(Client::get_connection_info).collect();
    let options = match (address, nodes.as_slice()) {
        (Address::Cluster(..), nodes) => cluster(nodes),
        (_, [node, ..]) => single(node),
        (_, []) => return Err(Error::Unavailable("no node is known".to_owned())),
    };
    Ok(match address.certificates() {
        Some(certificates) if options.tls => options.tls_certs(certs(certificates)),
        _ => options,
    })
}

fn single(node: &ConnectionInfo) -> RedisConnectionOptions {
    let settings = node.redis_settings();
    let options = match node.addr() {
        ConnectionAddr::TcpTls { host, port, .. } => RedisConnectionOptions::new()
            .host(host)
            .port(*port)
            .tls(true),
        ConnectionAddr::Tcp(host, port) => RedisConnectionOptions::new().host(host).port(*port),
        other => return RedisConnectionOptions::new().url(socket_url(other, node)),
    };
    let options = options.db(u8::try_from(settings.db()).unwrap_or_default());
    with_password(options, node)
}

/// BullMQ reads the path of a Unix socket from a URL alone.
fn socket_url(address: &ConnectionAddr, node: &ConnectionInfo) -> String {
    let settings = node.redis_settings();
    let mut url = format!("redis+unix://{address}?db={}", settings.db());
    for (name, value) in [("user", settings.username()), ("pass", settings.password())] {
        if let Some(value) = value {
            url.push_str(&format!("&{name}={}", percent_encoded(value)));
        }
    }
    url
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn cluster(nodes: &[&ConnectionInfo]) -> RedisConnectionOptions {
    let is_tls = |node: &&ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { .. });
    let tls = nodes.iter().any(is_tls);
    let scheme = if tls { "rediss" } else { "redis" };
    let urls = nodes
        .iter()
        .map(|node| format!("{scheme}://{}", node.addr()));
    let options = RedisConnectionOptions::new().cluster_nodes(urls).tls(tls);
    match nodes.first() {
        Some(node) => with_password(options, node),
        None => options,
    }
}

fn with_password(
    mut options: RedisConnectionOptions,
    node: &ConnectionInfo,
) -> RedisConnectionOptions {
    let settings = node.redis_settings();
    if let Some(user) = settings.username() {
        options = options.username(user);
    }
    if let Some(password) = settings.password() {
        options = options.password(password);
    }
    options
}

fn certs(certificates: &TlsCertificates) -> TlsCerts {
    let client = certificates.client_tls.as_ref();
    TlsCerts {
        root_cert: certificates.root_cert.clone(),
        client_cert: client.map(|client| client.client_cert.clone()),
        client_key: client.map(|client| client.client_key.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn url(url: &str) -> String {
        let address = Address::parse(url, None).unwrap();
        connection_options(&address).await.unwrap().effective_url()
    }

    #[tokio::test]
    async fn a_server_is_the_same_for_bullmq() {
        for same in [
            "redis://127.0.0.1:6379/2",
            "redis://me:secret@127.0.0.1:7000/0",
            "rediss://localhost:6380/0",
        ] {
            assert_eq!(url(same).await, same);
        }
        let socket = "redis+unix:///run/shim/redis.sock?db=3&pass=a%26b";
        assert_eq!(url(socket).await, socket);
    }
}
