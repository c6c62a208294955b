#![allow(clippy::unwrap_used)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use crate::data_dir::Sharing;

use super::*;

const SOCKET: Peer = Peer::User(Some(1_000));

fn access(folder: &Path, is_open: bool) -> LoopbackAccess {
    LoopbackAccess {
        data_dir: folder.join("data"),
        sharing: Sharing::Private,
        is_open,
    }
}

fn peer(address: &str) -> Peer {
    Peer::Address(Some(address.parse().unwrap()))
}

#[test]
fn a_port_without_rules_asks_for_a_token_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let access = access(folder.path(), false);
    let address = ([127, 0, 0, 1], 50_051).into();
    let auth = Auth::default().or_local(&access, address).unwrap();
    let file = access.token_file();
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();
    assert_eq!(token.trim().len(), 64);

    let header = format!("Bearer {}", token.trim());
    let (right, wrong) = (
        Some(header.as_bytes()),
        Some(&b"Bearer 0123456789abcdef"[..]),
    );
    for (shown, peer, role) in [
        (None, SOCKET, Some(Role::Admin)),
        (right, SOCKET, Some(Role::Admin)),
        (wrong, SOCKET, None),
        (None, peer("127.0.0.1"), None),
        (right, peer("127.0.0.1"), Some(Role::Admin)),
        (right, peer("::1"), Some(Role::Admin)),
        (wrong, peer("127.0.0.1"), None),
        (right, peer("10.0.0.1"), None),
        (right, Peer::Address(None), None),
    ] {
        let caller = auth.authenticate(shown, peer, SystemTime::now());
        assert_eq!(caller.ok().map(|it| it.role), role, "{peer:?}");
    }
    // The next start keeps it.
    Auth::default().or_local(&access, address).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token);
    let names = std::fs::read_dir(&access.data_dir).unwrap();
    assert_eq!(names.count(), 1, "nothing else is left");
}

#[test]
fn whoever_says_so_gets_an_open_port_and_configured_rules_stay() {
    let folder = tempfile::tempdir().unwrap();
    let address = ([127, 0, 0, 1], 50_051).into();
    let open = access(folder.path(), true);
    let auth = Auth::default().or_local(&open, address).unwrap();
    let caller = auth.authenticate(None, peer("127.0.0.1"), SystemTime::now());
    assert_eq!(caller.unwrap().role, Role::Admin);
    let all = ([0, 0, 0, 0], 50_051).into();
    let auth = Auth::default().or_local(&access(folder.path(), false), all);
    assert!(!auth.unwrap().is_required(), "it is refused, not protected");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "0123456789abcdef role=read\n").unwrap();
    let configured = Auth::new(Some(TokenFile::open(&tokens).unwrap()));
    let auth = configured
        .or_local(&access(folder.path(), false), address)
        .unwrap();
    assert!(auth.authenticate(None, SOCKET, SystemTime::now()).is_err());
    assert!(!open.data_dir.exists());
}

#[test]
fn a_client_of_the_same_folder_finds_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let access = access(folder.path(), false);
    let shown = Credentials::default().or_local_token(access.clone());
    let shown = shown.local_token.unwrap();
    assert!(shown.current().is_none());
    let address = ([127, 0, 0, 1], 50_051).into();
    Auth::default().or_local(&access, address).unwrap();
    let token = std::fs::read_to_string(access.token_file()).unwrap();
    let header = shown.current().unwrap().header();
    assert_eq!(header, format!("Bearer {}", token.trim()).as_str());
}

#[test]
fn a_token_that_others_could_read_counts_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let access = access(folder.path(), false);
    let address = ([127, 0, 0, 1], 50_051).into();
    let file = access.token_file();
    let set_mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    Auth::default().or_local(&access, address).unwrap();
    for (of_folder, of_file, is_kept) in [
        (0o755, 0o600, true),
        (0o700, 0o644, true),
        (0o755, 0o644, false),
    ] {
        let before = std::fs::read_to_string(&file).unwrap();
        set_mode(&access.data_dir, of_folder);
        set_mode(&file, of_file);
        Auth::default().or_local(&access, address).unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{of_folder:o} {of_file:o}");
        let is_same = std::fs::read_to_string(&file).unwrap() == before;
        assert_eq!(is_same, is_kept, "{of_folder:o} {of_file:o}");
    }
}
