//! Connections to services: lazy, reconnecting by themselves, carrying the trace context and the credentials.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Uri;
use tonic::{Request, Status};

use crate::auth::{Credentials, TokenFile};
use crate::settings::{Setting, from_str};
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
}

impl Interceptor for TokenInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.header());
        }
        Ok(request)
    }
}

/// A channel to `endpoint`, on which the credentials are shown. It connects with the first call and again whenever the
/// connection is lost; a new token in the file is shown from the next call on.
///
/// # Errors
/// If the endpoint cannot be written as a URI or the certificates cannot be used.
pub fn connect(
    endpoint: &Endpoint,
    credentials: Option<&Credentials>,
) -> Result<Channel, tonic::transport::Error> {
    let Credentials { token, tls } = credentials.cloned().unwrap_or_default();
    let builder = match endpoint {
        Endpoint::Unix(path) => {
            tonic::transport::Endpoint::try_from(format!("unix://{}", path.display()))?
        }
        Endpoint::Tcp(uri) => {
            let builder = tonic::transport::Endpoint::from(uri.clone())
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .tcp_nodelay(true);
            match tls {
                Some(tls) if endpoint.uses_tls() => builder.tls_config(tls)?,
                _ => builder,
            }
        }
    };
    let channel = builder.connect_timeout(CONNECT_TIMEOUT).connect_lazy();
    let interceptor = TokenInterceptor { token };
    Ok(Traced::new(InterceptedService::new(channel, interceptor)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
