//! The names of the HTTP endpoint and the origins of the pages that may call it, as they are configured.

use std::str::FromStr;

use http::uri::{Authority, Uri};
use shim_runtime::config::{Setting, Settings};

/// What is configured beyond the names of loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebNames {
    /// The origins of pages that may call (`gateway.allowed_origins`).
    pub(crate) origins: Vec<AllowedOrigin>,
    /// The names under which the endpoint is called (`gateway.allowed_hosts`).
    pub(crate) hosts: Vec<AllowedHost>,
}

/// An origin: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedOrigin {
    scheme: String,
    host: String,
    port: u16,
}

/// A name, with the port if only that one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl WebNames {
    /// Reads the keys.
    pub(crate) fn read(settings: &mut Settings) -> Self {
        Self {
            origins: settings
                .get_list("gateway.allowed_origins")
                .unwrap_or_default(),
            hosts: settings
                .get_list("gateway.allowed_hosts")
                .unwrap_or_default(),
        }
    }
}

impl AllowedHost {
    /// Whether a request names it.
    pub(crate) fn matches(&self, host: &str, port: Option<u16>) -> bool {
        self.host.eq_ignore_ascii_case(host) && (self.port.is_none() || self.port == port)
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a host such as shim.example or shim.example:8080".to_owned();
        let name: Authority = text.parse().map_err(|_| wrong())?;
        if text.contains('@') || name.host().is_empty() || text.ends_with(':') {
            return Err(wrong());
        }
        let host = name.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            host: host.to_owned(),
            port: name.port_u16(),
        })
    }
}

impl FromStr for AllowedOrigin {
    type Err = String;

    /// An origin as RFC 6454, 6.2 writes it; letters of both cases, and the usual port written or not, are the same.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "an origin such as https://app.example or http://localhost:3000".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong()),
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let has_more = rest.contains(['/', '?', '#', '@', '\\', ',', ' ']);
        if has_more || authority.host().is_empty() || rest.ends_with(':') {
            return Err(wrong());
        }
        Ok(Self {
            scheme,
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(usual),
        })
    }
}

impl Setting for AllowedHost {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Setting for AllowedOrigin {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_origin_or_host_is_refused_with_an_example() {
        for (key, value) in [
            ("gateway.allowed_origins", "*"),
            ("gateway.allowed_origins", "null"),
            ("gateway.allowed_origins", "app.example"),
            ("gateway.allowed_origins", "https://app.example/path"),
            ("gateway.allowed_hosts", "http://shim.example"),
            ("gateway.allowed_hosts", "a@b"),
        ] {
            let flags = [(key.to_owned(), value.to_owned())];
            let mut settings = Settings::gather(None, [], flags).unwrap();
            let _ = WebNames::read(&mut settings);
            let errors = settings.finish().unwrap_err();
            assert!(errors.0[0].contains("such as"), "{value}: {errors}");
        }
    }
}
