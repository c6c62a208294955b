//! What became of queues that were paused or resumed.

use std::io::{self, Write};

use shim_render::text::one_line;

/// A name in BullMQ is shorter.
const NAME_WIDTH: usize = 200;

/// Prints the queues that changed and those that were so before, a line for each kind, with its words before it.
pub(super) fn print(
    queues: &[String],
    changed: &[String],
    [now, before]: [&str; 2],
    out: &mut dyn Write,
) -> io::Result<()> {
    let (new, old): (Vec<&String>, Vec<&String>) =
        queues.iter().partition(|name| changed.contains(name));
    for (words, names) in [(now, new), (before, old)] {
        if !names.is_empty() {
            let names: Vec<String> = names
                .iter()
                .map(|name| one_line(name, NAME_WIDTH))
                .collect();
            writeln!(out, "{words}: {}", names.join(", "))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::printed;

    #[test]
    fn what_changed_is_told_apart_from_what_was_so_before() {
        let queues = ["work", "work.agent"].map(str::to_owned);
        let words = ["paused", "paused before"];
        let text = |changed: &[String]| printed(|out| print(&queues, changed, words, out));
        assert_eq!(
            text(&queues[..1]),
            "paused: work\npaused before: work.agent\n"
        );
        assert_eq!(text(&queues), "paused: work, work.agent\n");
        assert_eq!(text(&[]), "paused before: work, work.agent\n");
    }
}
