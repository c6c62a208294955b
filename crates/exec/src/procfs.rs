//! The processes of this machine, as procfs tells of them (proc(5)); none where there is no procfs.

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// It is dead, and its parent did not take notice of that yet.
    pub(crate) is_zombie: bool,
}

/// All that run now.
pub(crate) fn processes() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            parse(pid, &stat)
        })
}

/// The living children of a process, their children, and so on.
pub(crate) fn descendants(ancestor: i32) -> Vec<i32> {
    let all: Vec<Process> = processes().collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = all.iter().filter(|process| process.parent == parent);
        for child in children.map(|process| process.pid) {
            if !found.contains(&child) {
                found.push(child);
            }
        }
        next += 1;
    }
    let is_alive = |pid: &i32| {
        all.iter()
            .any(|process| process.pid == *pid && !process.is_zombie)
    };
    found.into_iter().skip(1).filter(is_alive).collect()
}

/// Fields 3 to 5 of `/proc/PID/stat`, counted after the name, which may hold anything.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    Some(Process {
        pid,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        is_zombie,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_read_after_any_name() {
        let expected = Process {
            pid: 7,
            parent: 1,
            group: 42,
            is_zombie: false,
        };
        assert_eq!(parse(7, "7 (a) S 9) S 1 42 7 0 -1"), Some(expected));
        let zombie = parse(7, "7 (sh) Z 1 42 7 0 -1");
        assert!(zombie.is_some_and(|process| process.is_zombie));
        assert_eq!(parse(7, "7 (sh"), None);
    }
}
