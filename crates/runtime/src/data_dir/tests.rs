#![allow(clippy::unwrap_used)]
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::trust::Kind;
use super::*;

const ME: Me = Me {
    uid: 1_000,
    own_group: Some(1_000),
    owner_of_all: 0,
};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn verdict(reach: Reach, owner: u32, group: u32, mode: u32, me: &Me) -> &'static str {
    let kind = Kind::Folder;
    let entry = Entry {
        kind,
        owner,
        group,
        mode,
    };
    match trust::judge(Path::new("/x"), &entry, reach, me) {
        Ok(()) => "ok",
        Err(Untrusted::Owner { .. }) => "owner",
        Err(Untrusted::Writable { .. }) => "writable",
        Err(Untrusted::Closed { .. }) => "closed",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_folder_is_entered_if_nobody_but_its_owner_and_root_can_change_it() {
    use Reach::{DataFolder, Parent};
    for (reach, owner, group, mode, expected) in [
        (DataFolder, 1_000, 1_000, 0o700, "ok"),
        (DataFolder, 1_000, 1_000, 0o755, "ok"),
        (DataFolder, 0, 0, 0o755, "ok"),
        (DataFolder, 1_001, 1_000, 0o700, "owner"),
        (DataFolder, 65_534, 65_534, 0o700, "owner"),
        (DataFolder, 1_000, 1_000, 0o770, "writable"),
        (DataFolder, 1_000, 1_000, 0o707, "writable"),
        (DataFolder, 1_000, 1_000, 0o1777, "writable"),
        (DataFolder, 1_000, 1_000, 0o000, "closed"),
        (DataFolder, 1_000, 1_000, 0o500, "closed"),
        (Parent, 0, 0, 0o1777, "ok"),
        (Parent, 0, 0, 0o777, "writable"),
        (Parent, 1_000, 100, 0o775, "writable"),
        (Parent, 1_000, 1_000, 0o775, "ok"),
        (Parent, 1_000, 1_000, 0o777, "writable"),
        (Parent, 1_001, 1_001, 0o755, "owner"),
        (Parent, 1_001, 1_001, 0o1777, "owner"),
    ] {
        let found = verdict(reach, owner, group, mode, &ME);
        assert_eq!(found, expected, "{reach:?} of {owner}:{group} {mode:o}");
    }
}

#[test]
fn whoever_owns_everything_is_trusted_above_the_folder_alone() {
    let inside = Me {
        owner_of_all: 65_534,
        ..ME
    };
    assert_eq!(verdict(Reach::Parent, 65_534, 0, 0o755, &inside), "ok");
    assert_eq!(
        verdict(Reach::DataFolder, 65_534, 0, 0o755, &inside),
        "owner"
    );
}

#[test]
fn a_folder_that_is_not_there_is_made_for_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/b");
    admit(&folder, Sharing::Private).unwrap();
    prepare(&folder, Sharing::Private).unwrap();
    let mode = folder.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn what_others_can_write_is_not_entered_however_it_is_reached() {
    let home = tempfile::tempdir().unwrap();
    let open = home.path().join("open");
    let folder = open.join("data");
    std::fs::create_dir_all(&folder).unwrap();
    symlink(&open, home.path().join("link")).unwrap();
    let ways = [
        "open/data",
        "link/data",
        "open/../open/data",
        "link/new/data",
    ];
    for (mode, is_safe) in [(0o755, true), (0o777, false), (0o1777, true)] {
        set_mode(&open, mode);
        for way in ways {
            let found = admit(&home.path().join(way), Sharing::Private);
            assert_eq!(found.is_ok(), is_safe, "{way} below {mode:o}: {found:?}");
            if let Err(why) = found {
                assert!(why.to_string().contains("chmod go-w"), "{why}");
            }
        }
    }
    set_mode(&folder, 0o770);
    let found = admit(&folder, Sharing::Private);
    assert!(
        matches!(found, Err(Untrusted::Writable { .. })),
        "{found:?}"
    );
    admit(&folder, Sharing::Shared).unwrap();
    assert!(prepare(&folder, Sharing::Private).is_err());
}

#[test]
fn nothing_in_the_folder_is_a_link_a_pipe_or_another_users() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    File::create(folder.join("file")).unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    admit(folder, Sharing::Private).unwrap();
    for target in ["file", "/etc/passwd", "nowhere"] {
        symlink(target, folder.join("stack.lock")).unwrap();
        for sharing in [Sharing::Private, Sharing::Shared] {
            let found = admit(folder, sharing);
            assert!(matches!(found, Err(Untrusted::Link(_))), "{found:?}");
        }
        std::fs::remove_file(folder.join("stack.lock")).unwrap();
    }
    let pipe = folder.join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let found = admit(folder, Sharing::Private);
    assert!(matches!(found, Err(Untrusted::Kind(_))), "{found:?}");
    std::fs::remove_file(pipe).unwrap();
    // Only root can give a file away.
    if chown(folder.join("file"), Some(65_534), None).is_ok() {
        let found = admit(folder, Sharing::Private);
        assert!(matches!(found, Err(Untrusted::Owner { owner: 65_534, .. })));
    }
}

#[test]
fn links_that_lead_to_each_other_end_the_walk() {
    let home = tempfile::tempdir().unwrap();
    symlink("two", home.path().join("one")).unwrap();
    symlink("one", home.path().join("two")).unwrap();
    let found = admit(&home.path().join("one/data"), Sharing::Private);
    assert!(matches!(found, Err(Untrusted::Loop(_))), "{found:?}");
}

#[test]
fn an_own_file_is_opened_and_nothing_else_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("file"), "text").unwrap();
    set_mode(&at("file"), 0o600);
    symlink("file", at("link")).unwrap();
    symlink("made", at("dangling")).unwrap();
    mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let open = |name: &str, writes: bool| {
        let mut options = OpenOptions::new();
        options.read(!writes).append(writes).create(writes);
        open_own(&at(name), &mut options).map_err(|error| error.to_string())
    };
    for writes in [false, true] {
        open("file", writes).unwrap();
        for name in ["link", "dangling", "pipe", "folder", "/dev/zero"] {
            assert!(open(name, writes).is_err(), "{name}");
        }
    }
    assert!(!at("made").exists(), "a link was followed");
    assert!(open("link", true).unwrap_err().contains("is a link"));
    set_mode(&at("file"), 0o606);
    assert!(open("file", false).unwrap_err().contains("chmod -R go-w"));
}

#[test]
fn a_file_of_the_configuration_is_read_within_its_bounds() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("file"), "12345678").unwrap();
    symlink("file", at("link")).unwrap();
    mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
    for name in ["file", "link"] {
        assert_eq!(read_config_file(&at(name), 8).unwrap().0, b"12345678");
        let larger = read_config_file(&at(name), 7);
        assert!(matches!(larger, Err(OpenError::TooLarge(7))));
    }
    for name in ["pipe", ".", "/dev/zero", "/dev/null"] {
        let read = read_config_file(&at(name), 8);
        assert!(matches!(read, Err(OpenError::NoFile)), "{name}");
    }
    if chown(at("file"), Some(65_534), None).is_ok() {
        let read = read_config_file(&at("file"), 8);
        assert!(matches!(read, Err(OpenError::Owner(65_534))));
    }
}

#[test]
fn what_somebody_named_is_read_within_its_bounds_and_no_pipe_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("file"), "12345678").unwrap();
    mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
    assert_eq!(read_named(&at("file"), 8).unwrap(), "12345678");
    let larger = read_named(&at("file"), 7);
    assert!(matches!(larger, Err(OpenError::TooLarge(7))));
    assert!(read_named(&at("/dev/null"), 7).unwrap().is_empty());
    for name in ["pipe", ".", "/dev/zero"] {
        let read = read_named(&at(name), 8);
        assert!(matches!(read, Err(OpenError::NoFile)), "{name}");
    }
    let endless = read_bounded(std::io::repeat(0), 8);
    assert!(matches!(endless, Err(OpenError::TooLarge(8))));
}
