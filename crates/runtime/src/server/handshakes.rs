//! TLS on incoming connections: handshakes run side by side, so that a slow one delays no other.

use std::io;

use futures::{Stream, StreamExt};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::connections::Connection;
use crate::tls::ServerTls;

/// The connections of `incoming` after their handshake. A connection without one is closed.
pub(super) fn accept_tls(
    incoming: impl Stream<Item = io::Result<Connection>>,
    tls: ServerTls,
) -> impl Stream<Item = io::Result<TlsStream<Connection>>> {
    let state = (Box::pin(incoming), JoinSet::new(), tls);
    futures::stream::unfold(state, async |(mut incoming, mut open, tls)| {
        let secured = loop {
            tokio::select! {
                came = incoming.next() => match came? {
                    Ok(connection) => {
                        open.spawn(tls.clone().handshake(connection));
                    }
                    Err(error) => break Err(error),
                },
                Some(done) = open.join_next() => match done {
                    Ok(Ok(secured)) => break Ok(secured),
                    Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
                    Err(error) => tracing::error!("a TLS handshake broke off: {error}"),
                },
            }
        };
        Some((secured, (incoming, open, tls)))
    })
}
