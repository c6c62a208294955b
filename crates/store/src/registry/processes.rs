//! The processes of a worker as its record keeps them: `boot_id namespaces pid:start_ticks pid:start_ticks ...`.

use std::fmt::Write;

use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_proto::coordination::v1::WorkerProcesses;

/// The text of a record; empty for a worker that told none.
pub(super) fn stored(processes: Option<&WorkerProcesses>) -> String {
    let Some(told) = processes else {
        return String::new();
    };
    let mut text = format!("{} {}", told.boot_id, told.namespaces);
    for process in &told.processes {
        let _ = write!(text, " {}:{}", process.pid, process.start_ticks);
    }
    text
}

/// What a record says; `None` if its worker told none, or if it is not understood: then silence alone ends the worker.
pub(super) fn read(text: &str) -> Option<WorkerProcesses> {
    let mut words = text.split(' ');
    let (boot_id, namespaces) = (words.next()?.to_owned(), words.next()?.to_owned());
    let process = |word: &str| {
        let (pid, start_ticks) = word.split_once(':')?;
        Some(ProcessIdentity {
            pid: pid.parse().ok()?,
            start_ticks: start_ticks.parse().ok()?,
        })
    };
    let processes: Vec<_> = words.map(process).collect::<Option<_>>()?;
    (!processes.is_empty()).then_some(WorkerProcesses {
        boot_id,
        namespaces,
        processes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_was_told_and_nothing_else() {
        let process = |pid| ProcessIdentity {
            pid,
            start_ticks: 77,
        };
        let told = WorkerProcesses {
            boot_id: "b".into(),
            namespaces: "pid:[1],time:[2]".into(),
            processes: vec![process(7), process(8)],
        };
        let text = stored(Some(&told));
        assert_eq!(text, "b pid:[1],time:[2] 7:77 8:77");
        assert_eq!(read(&text), Some(told));
        assert_eq!(stored(None), "");
        for other in [
            "",
            "b",
            "b n",
            "b n 7",
            "b n 7:x",
            "b n 7:1 ",
            "b n 7:1 later",
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
