//! Who may speak to the endpoint from a browser, and under which names it is spoken to.
//!
//! A page that a user looks at can send requests to this machine. The browser names the page's origin, which no page can
//! forge, and a request of any origin that is not configured is refused. A page whose own name was made to mean this
//! machine (DNS rebinding) is of the same origin, and a GET of it may name none; but its Host is that name. So names are
//! known ones, too: those of loopback, the bound address and the configured ones.

use std::net::IpAddr;
use std::str::FromStr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

use super::refusal::plain;
use crate::web_names::{AllowedHost, AllowedOrigin, WebNames};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name",
);
const RESPONSE_HEADERS: HeaderValue =
    HeaderValue::from_static("mcp-session-id, retry-after, www-authenticate");
/// How many seconds a browser keeps what it was told.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The names and origins that are known.
#[derive(Debug)]
pub(super) struct WebAccess {
    names: WebNames,
    bound: Option<IpAddr>,
}

/// The origin of a page that may read the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageOrigin(HeaderValue);

impl WebAccess {
    pub(super) fn new(names: WebNames, bound: Option<IpAddr>) -> Self {
        Self { names, bound }
    }

    /// The page that asks, if one does.
    ///
    /// # Errors
    /// With the answer for a request of an unknown page or to an unknown name.
    pub(super) fn admit<B>(
        &self,
        request: &Request<B>,
    ) -> Result<Option<PageOrigin>, Box<Response<Body>>> {
        if !self.names_host(request) {
            let text = "this endpoint is not known by the name in Host; names of other machines are configured in gateway.allowed_hosts\n";
            return Err(Box::new(plain(StatusCode::FORBIDDEN, text)));
        }
        let mut shown = request.headers().get_all(ORIGIN).iter();
        let Some(origin) = shown.next() else {
            return Ok(None);
        };
        let known = origin
            .to_str()
            .ok()
            .and_then(|text| text.parse::<AllowedOrigin>().ok())
            .is_some_and(|origin| self.names.origins.contains(&origin));
        if known && shown.next().is_none() {
            return Ok(Some(PageOrigin(origin.clone())));
        }
        let text = "pages of this Origin may not call; those that may are configured in gateway.allowed_origins\n";
        Err(Box::new(plain(StatusCode::FORBIDDEN, text)))
    }

    /// Whether every name that the request gives this server is known, and there is one.
    fn names_host<B>(&self, request: &Request<B>) -> bool {
        let mut headers = request.headers().get_all(HOST).iter();
        let (header, more) = (headers.next(), headers.next());
        let in_header = header.map(|host| {
            host.to_str()
                .ok()
                .and_then(|it| Authority::from_str(it).ok())
        });
        // HTTP/2 has it in the URI, as has a request to a proxy.
        let in_uri = request.uri().authority().cloned().map(Some);
        let mut names = [in_header, in_uri].into_iter().flatten().peekable();
        more.is_none()
            && names.peek().is_some()
            && names.all(|name| name.is_some_and(|name| self.knows(&name)))
    }

    fn knows(&self, name: &Authority) -> bool {
        if name.as_str().contains('@') {
            return false;
        }
        let host = name.host().trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            let is_bound = self
                .bound
                .is_some_and(|bound| bound.to_canonical() == address);
            if address.is_loopback() || is_bound {
                return true;
            }
        }
        let known = |it: &AllowedHost| it.matches(host, name.port_u16());
        host.eq_ignore_ascii_case("localhost") || self.names.hosts.iter().any(known)
    }
}

impl PageOrigin {
    /// The answer to a browser that asks what it may send; `None` if it asks for something else.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        if request.method() != Method::OPTIONS {
            return None;
        }
        let mut response = plain(StatusCode::NO_CONTENT, "");
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        self.mark(headers);
        Some(response)
    }

    /// Lets the page read the answer.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn access() -> WebAccess {
        let origin = |text: &str| text.parse::<AllowedOrigin>().unwrap();
        let names = WebNames {
            origins: ["https://App.Example", "http://localhost:3000"]
                .map(origin)
                .into(),
            hosts: ["shim.example", "other.example:8443"]
                .map(|it| it.parse::<AllowedHost>().unwrap())
                .into(),
        };
        WebAccess::new(names, Some([10, 0, 0, 7].into()))
    }

    fn status(headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method("POST").uri("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match access().admit(&request.body(()).unwrap()) {
            Ok(_) => 200,
            Err(refused) => refused.status().as_u16(),
        }
    }

    #[test]
    fn only_pages_of_configured_origins_call() {
        for (origins, expected) in [
            (&[][..], 200),
            (&["https://app.example"], 200),
            (&["https://app.example:443"], 200),
            (&["HTTPS://APP.EXAMPLE"], 200),
            (&["http://localhost:3000"], 200),
            (&["http://app.example"], 403),
            (&["https://app.example:444"], 403),
            (&["https://app.example."], 403),
            (&["https://app.example/"], 403),
            (&["https://app.example.evil.example"], 403),
            (&["https://evil.example"], 403),
            (&["https://user@app.example"], 403),
            (&["http://localhost"], 403),
            (&["http://127.0.0.1:3000"], 403),
            (&["null"], 403),
            (&["NULL"], 403),
            (&[""], 403),
            (&["*"], 403),
            (&["file://"], 403),
            (&["chrome-extension://app.example"], 403),
            (&["https://app.example, https://evil.example"], 403),
            (&["https://app.example https://evil.example"], 403),
            (&["https://app.example", "https://evil.example"], 403),
            (&["https://evil.example", "https://app.example"], 403),
            (&["https://app.example", "https://app.example"], 403),
        ] {
            let mut headers = vec![("host", "localhost")];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            assert_eq!(status(&headers), expected, "{origins:?}");
        }
    }

    #[test]
    fn only_known_names_are_answered() {
        for (hosts, expected) in [
            (&["localhost"][..], 200),
            (&["LOCALHOST:8080"], 200),
            (&["127.0.0.1:8080"], 200),
            (&["127.9.9.9"], 200),
            (&["[::1]:8080"], 200),
            (&["[::ffff:127.0.0.1]"], 200),
            (&["10.0.0.7:8080"], 200),
            (&["shim.example"], 200),
            (&["Shim.Example:9"], 200),
            (&["other.example:8443"], 200),
            (&["other.example"], 403),
            (&["10.0.0.8"], 403),
            (&["evil.example"], 403),
            (&["localhost.evil.example"], 403),
            (&["127.0.0.1.evil.example"], 403),
            (&["localhost@evil.example"], 403),
            (&["evil.example@localhost"], 403),
            (&[""], 403),
            (&[], 403),
            (&["localhost", "localhost"], 403),
            (&["localhost", "evil.example"], 403),
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            assert_eq!(status(&headers), expected, "{hosts:?}");
        }
        for (uri, expected) in [
            ("http://localhost/mcp", true),
            ("http://evil.example/mcp", false),
        ] {
            let request = Request::builder().uri(uri);
            assert_eq!(access().admit(&request.body(()).unwrap()).is_ok(), expected);
            let both = Request::builder().uri(uri).header("host", "localhost");
            assert_eq!(access().admit(&both.body(()).unwrap()).is_ok(), expected);
        }
    }

    #[test]
    fn a_browser_is_told_what_a_known_page_may_send() {
        let request = Request::builder()
            .method("OPTIONS")
            .header("host", "localhost")
            .header("origin", "https://app.example");
        let request = request.body(()).unwrap();
        let page = access().admit(&request).unwrap().unwrap();
        let answer = page.preflight(&request).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let origin = answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap();
        assert_eq!(origin, "https://app.example");
    }
}
