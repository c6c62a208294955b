//! Which process is the client of a program that speaks over its standard input.
//!
//! A client holds the other end of that input, so its own is another file. What stands between the two and merely passes
//! its input on (`sh -c`, `npx`, `uv run`, a launcher) shares the file. So the client is the nearest ancestor that does
//! not share it.

use std::path::{Path, PathBuf};

use shim_proto::checkpoint::v1::ProcessIdentity;

use crate::process;

/// More wrappers than anybody nests.
const MAX_WRAPPERS: usize = 16;
/// The first process adopts orphans and is nobody's client.
const INIT: u32 = 1;

/// The client of this process as it is now; `None` if it is gone, or not visible from here.
///
/// Where procfs does not show files, it is the parent.
#[must_use]
pub fn find() -> Option<ProcessIdentity> {
    let parent = std::os::unix::process::parent_id();
    let pid = nearest_client(parent, input(Path::new("/proc/self")), |pid| {
        Some(Ancestor {
            input: input(&PathBuf::from(format!("/proc/{pid}"))),
            parent: process::parent_of(pid)?,
        })
    });
    process::identity(pid).filter(|client| client.pid > INIT)
}

/// What can be seen of an ancestor.
struct Ancestor {
    /// Its standard input, if that is a pipe or socket.
    input: Option<PathBuf>,
    parent: u32,
}

/// The standard input of a process, if it is a pipe or a socket: of those, the link names the very file.
fn input(process: &Path) -> Option<PathBuf> {
    let file = std::fs::read_link(process.join("fd/0")).ok()?;
    let is_of_two_ends = ["pipe:[", "socket:["]
        .iter()
        .any(|kind| file.as_os_str().to_string_lossy().starts_with(kind));
    // A named pipe is a file with a name; ours may be opened by several programs, and each has the same link.
    let is_fifo = || {
        use std::os::unix::fs::FileTypeExt;
        std::fs::metadata(&file).is_ok_and(|file| file.file_type().is_fifo())
    };
    (is_of_two_ends || is_fifo()).then_some(file)
}

fn nearest_client(
    parent: u32,
    own_input: Option<PathBuf>,
    look: impl Fn(u32) -> Option<Ancestor>,
) -> u32 {
    let Some(own_input) = own_input else {
        return parent;
    };
    let mut pid = parent;
    for _ in 0..MAX_WRAPPERS {
        match look(pid) {
            Some(wrapper) if wrapper.input.as_ref() == Some(&own_input) => pid = wrapper.parent,
            _ => return pid,
        }
    }
    parent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process: its pid, its parent, its standard input.
    type Process = (u32, u32, &'static str);

    fn client_of(processes: &[Process], own_input: Option<&str>) -> u32 {
        let parent = processes.first().map_or(0, |process| process.0);
        nearest_client(parent, own_input.map(PathBuf::from), |pid| {
            let found = processes.iter().find(|process| process.0 == pid)?;
            Some(Ancestor {
                input: Some(PathBuf::from(found.2)),
                parent: found.1,
            })
        })
    }

    #[test]
    fn wrappers_share_the_input_and_the_client_does_not() {
        let ours = "pipe:[7]";
        let cases: [(&str, &[Process], u32); 5] = [
            ("a client alone", &[(40, 30, "/dev/pts/0")], 40),
            ("sh -c", &[(50, 40, ours), (40, 30, "/dev/pts/0")], 40),
            (
                "npx and sh -c",
                &[(60, 50, ours), (50, 40, ours), (40, 1, "socket:[9]")],
                40,
            ),
            (
                "a bridge has pipes of its own",
                &[(50, 40, "pipe:[8]"), (40, 1, ours)],
                50,
            ),
            ("a client that is not visible", &[(50, 0, ours)], 0),
        ];
        for (what, processes, client) in cases {
            assert_eq!(client_of(processes, Some(ours)), client, "{what}");
        }
    }

    #[test]
    fn a_terminal_is_shared_with_the_shell_that_is_the_client() {
        assert_eq!(client_of(&[(40, 30, "/dev/pts/0")], None), 40);
    }
}
