//! How an open call ends with its token.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use super::*;

const SHOWN: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

fn write(path: &Path, content: &str) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, content).unwrap();
    std::fs::rename(&fresh, path).unwrap();
}

fn in_two_seconds() -> String {
    let end = SystemTime::now() + Duration::from_secs(2);
    humantime::format_rfc3339_millis(end).to_string()
}

/// Why a call of a writer ended, once the file was changed to this.
async fn reason_after(change: &str) -> &'static str {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    write(&path, &format!("{SHOWN} role=write\n{OTHER}\n"));
    let auth = Auth::new(Some(TokenFile::open(&path).unwrap()));
    let header = format!("Bearer {SHOWN}");
    let peer = Peer::User(None);
    let caller = auth.authenticate(Some(header.as_bytes()), peer, SystemTime::now());
    let grant = caller.unwrap().grant(Role::Write).unwrap();
    let revoked = auth.revoked(grant);
    write(&path, change);
    tokio::select! {
        error = revoked => error.reason,
        never = auth.keep_polling() => match never {},
    }
}

#[tokio::test]
async fn an_open_call_ends_when_its_token_is_removed_expires_or_becomes_too_weak() {
    let ending = format!("{SHOWN} role=write until={}\n", in_two_seconds());
    let weaker = format!("{SHOWN} role=read\n");
    let (gone, ended, weak) = tokio::join!(
        reason_after(OTHER),
        reason_after(&ending),
        reason_after(&weaker)
    );
    assert_eq!(gone, "TOKEN_REFUSED");
    assert_eq!(ended, "TOKEN_EXPIRED");
    assert_eq!(weak, "ROLE_REFUSED");
}

#[tokio::test]
async fn only_a_token_can_be_revoked() {
    let auth = Auth::default();
    let peer = Peer::User(None);
    let caller = auth.authenticate(None, peer, SystemTime::now()).unwrap();
    assert!(caller.grant(Role::Admin).is_none());
    assert!(Caller::anonymous(peer).grant(Role::Read).is_none());
}

#[test]
fn several_headers_show_nothing_that_counts() {
    let mut headers = HeaderMap::new();
    assert_eq!(shown(&headers), None);
    headers.append(AUTHORIZATION, "Bearer right".parse().unwrap());
    assert_eq!(shown(&headers), Some(&b"Bearer right"[..]));
    headers.append(AUTHORIZATION, "Bearer wrong".parse().unwrap());
    assert_eq!(shown(&headers), Some(&b""[..]));
}
