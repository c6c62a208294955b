//! Whose call it is, for handlers that bound what one caller keeps. It is in a task-local, as the call's permit is.

use std::future::Future;
use std::sync::Arc;

use crate::auth::{Caller, Identity};

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// Runs a call as its caller's.
pub(super) async fn scope<F: Future>(caller: Option<&Caller>, call: F) -> F::Output {
    let name = caller.map_or_else(String::new, |caller| caller.identity.to_string());
    CURRENT.scope(name.into(), call).await
}

/// Who makes the current call, in words that distinguish callers; empty outside of a server's call.
#[must_use]
pub fn current_caller() -> String {
    CURRENT.try_with(ToString::to_string).unwrap_or_default()
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(name) => write!(f, "token {name}"),
            Self::Certificate(digest) => {
                let digest = blake3::Hash::from_bytes(*digest).to_hex();
                write!(f, "certificate {}", &digest[..16])
            }
            Self::Address(Some(address)) => write!(f, "address {address}"),
            Self::Address(None) => f.write_str("an unknown address"),
            Self::User(Some(user)) => write!(f, "user {user}"),
            Self::User(None) => f.write_str("an unknown user"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::auth::Peer;

    #[tokio::test]
    async fn a_call_knows_its_caller_and_only_within() {
        let caller = Caller::anonymous(Peer::User(Some(1_000)));
        let named = scope(Some(&caller), async { current_caller() }).await;
        assert_eq!(named, "user 1000");
        assert_eq!(current_caller(), "");
        let address = Identity::Address(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(address.to_string(), "address 127.0.0.1");
        assert_eq!(Identity::Token("ci".into()).to_string(), "token ci");
    }
}
