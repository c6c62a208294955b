//! The other end of a call's connection, from what the transport left with the request.

use http::Request;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo, UdsConnectInfo};

use crate::auth::Peer;

/// The other end of the request's connection.
pub(super) fn of<B>(request: &Request<B>) -> Peer {
    let known = request.extensions();
    if let Some(socket) = known.get::<UdsConnectInfo>() {
        return Peer::User(socket.peer_cred.map(|credentials| credentials.uid()));
    }
    if let Some(tls) = known.get::<TlsConnectInfo<TcpConnectInfo>>() {
        let address = tls.get_ref().remote_addr().map(|address| address.ip());
        let certificates = tls.peer_certs();
        return match certificates.as_deref().and_then(|chain| chain.first()) {
            Some(own) => Peer::Certificate(blake3::hash(own), address),
            None => Peer::Address(address),
        };
    }
    let tcp = known.get::<TcpConnectInfo>();
    Peer::Address(
        tcp.and_then(TcpConnectInfo::remote_addr)
            .map(|address| address.ip()),
    )
}
