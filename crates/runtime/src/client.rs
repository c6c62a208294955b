//! Connections to services: lazy, reconnecting by themselves, carrying the trace context and the credentials.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Uri;
use tonic::{Request, Status};

use crate::auth::{Credentials, LocalToken, TokenFile};
use crate::settings::{Setting, from_str};
use crate::stack::Peer;
use crate::trace::Traced;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A peer that vanished without closing the connection is noticed within two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// HTTP/2 over TCP, with TLS if the scheme is `https`.
    Tcp(Uri),
}

impl Endpoint {
    /// Whether it speaks TLS.
    pub(crate) fn uses_tls(&self) -> bool {
        matches!(self, Self::Tcp(uri) if uri.scheme_str() == Some("https"))
    }

    /// Whether it is a TCP address of this machine that no other one reaches.
    fn is_loopback(&self) -> bool {
        let Self::Tcp(uri) = self else { return false };
        let host = uri.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err("a unix: endpoint needs an absolute path".into())
            };
        }
        let uri: Uri = text.parse().map_err(|e| format!("{e}"))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(_)) => Ok(Self::Tcp(uri)),
            _ => Err("an endpoint starts with http://, https:// or unix:".into()),
        }
    }
}

impl Setting for Endpoint {
    fn parse(text: &str) -> Result<Self, String> {
        from_str(
            text,
            "an endpoint such as http://127.0.0.1:50051 or unix:/path/shim.sock",
        )
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(uri) => write!(f, "{}", uri.to_string().trim_end_matches('/')),
        }
    }
}

/// The connection that every generated client takes.
pub type Channel = Traced<InterceptedService<tonic::transport::Channel, TokenInterceptor>>;

/// Adds the token to every call.
#[derive(Debug, Clone, Default)]
pub struct TokenInterceptor {
    token: Option<TokenFile>,
    local_token: Option<LocalToken>,
}

impl Interceptor for TokenInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let local = || self.local_token.as_ref().and_then(LocalToken::current);
        if let Some(token) = self.token.as_ref().or_else(local) {
            request
                .metadata_mut()
                .insert("authorization", token.header());
        }
        Ok(request)
    }
}

/// A channel to `endpoint`, on which the credentials are shown. It connects with the first call and again whenever the
/// connection is lost; a new token in the file is shown from the next call on. A Unix socket on which another user
/// listens is not spoken to.
///
/// # Errors
/// If the certificates cannot be used.
pub fn connect(
    endpoint: &Endpoint,
    credentials: Option<&Credentials>,
) -> Result<Channel, tonic::transport::Error> {
    let Credentials {
        token,
        local_token,
        tls,
    } = credentials.cloned().unwrap_or_default();
    let local_token = local_token.filter(|_| token.is_none() && endpoint.is_loopback());
    let channel = match endpoint {
        Endpoint::Unix(path) => over_unix(path),
        Endpoint::Tcp(uri) => {
            let builder = tonic::transport::Endpoint::from(uri.clone())
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .tcp_nodelay(true);
            let builder = match tls {
                Some(tls) if endpoint.uses_tls() => builder.tls_config(tls)?,
                _ => builder,
            };
            builder.connect_timeout(CONNECT_TIMEOUT).connect_lazy()
        }
    };
    let interceptor = TokenInterceptor { token, local_token };
    Ok(Traced::new(InterceptedService::new(channel, interceptor)))
}

fn over_unix(path: &Path) -> tonic::transport::Channel {
    let path = path.to_path_buf();
    let connector = tower::service_fn(move |_: Uri| connect_to_own(path.clone()));
    // A valid authority: the socket's path is none.
    tonic::transport::Endpoint::from_static("http://localhost")
        .connect_timeout(CONNECT_TIMEOUT)
        .connect_with_connector_lazy(connector)
}

/// Connects to a Unix socket behind which this user or root listens. Nothing is sent to anybody else.
async fn connect_to_own(path: PathBuf) -> std::io::Result<TokioIo<UnixStream>> {
    let stream = UnixStream::connect(&path).await?;
    refuse_stranger(&path, Peer::of(&stream)?)?;
    Ok(TokioIo::new(stream))
}

fn refuse_stranger(path: &Path, peer: Peer) -> std::io::Result<()> {
    if peer.is_own() {
        return Ok(());
    }
    let (path, uid) = (path.display(), peer.uid);
    let what = format!("the user with uid {uid} listens at {path}, and is shown nothing of yours");
    Err(Error::new(ErrorKind::PermissionDenied, what))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_socket_of_another_user_is_not_spoken_to() {
        let own = nix::unistd::geteuid().as_raw();
        for (uid, is_own) in [(own, true), (0, true), (own + 1, false), (65_534, false)] {
            let judged = refuse_stranger(Path::new("/s"), Peer { uid, pid: None });
            assert_eq!(judged.is_ok(), is_own, "{uid}");
        }
    }

    #[test]
    fn the_tokens_of_a_folder_stay_on_this_machine() {
        for (text, is_loopback) in [
            ("http://127.0.0.1:50051", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:50051", true),
            ("http://LocalHost:50051", true),
            ("https://localhost:50051", true),
            ("http://localhost.example:50051", false),
            ("http://10.0.0.1:50051", false),
            ("http://[::2]:50051", false),
            ("unix:/run/shim.sock", false),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.is_loopback(), is_loopback, "{text}");
        }
    }

    #[test]
    fn endpoints_read_and_print_alike() {
        for text in [
            "unix:/run/shim.sock",
            "http://127.0.0.1:50051",
            "https://shim.example:50051",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!(
            "unix:///a".parse::<Endpoint>().unwrap(),
            Endpoint::Unix("/a".into())
        );
        for bad in ["", "127.0.0.1:50051", "ftp://x", "unix:relative", "http://"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
