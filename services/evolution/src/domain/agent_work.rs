//! What no transform does, as work for an agent: the goal with its evidence, and the answer with whole files in it.
//!
//! The agent changes nothing by itself. Its answer becomes a proposal with the same approval and verification as any other.

use shim_proto::evolution::v1::Opportunity;
use shim_render::text::one_line;

/// Begins a file of an answer; its path stands behind it.
const BEGIN: &str = "=== FILE ";
/// Ends a file of an answer.
const END: &str = "=== END";
/// Stands in results for what looks like a secret.
const MARK: &str = "[redacted:";
const MAX_EVIDENCE: usize = 8;

/// The goal of the task.
pub(crate) fn goal(opportunity: &Opportunity) -> String {
    let place = opportunity.location.clone().unwrap_or_default();
    let mut goal = format!(
        "{}\n\nWhere: {}:{}\nWhat speaks for it:\n",
        one_line(&opportunity.title, 300),
        one_line(&place.path, 500),
        place.line
    );
    for evidence in opportunity.evidence.iter().take(MAX_EVIDENCE) {
        let (text, tool) = (one_line(&evidence.text, 300), one_line(&evidence.tool, 60));
        goal += &format!("- {text} ({tool})\n");
    }
    goal += &format!(
        "\nKeep what the code does, its exported names and its style. Write no file, run nothing that writes, and commit nothing: \
         the change is verified and decided about later. Answer with each changed file as a whole, in this form and with \
         nothing between the lines but its text:\n{BEGIN}path/relative/to/the/project\nall of its text\n{END}\n"
    );
    goal
}

/// The files of an answer: path and whole text, as they stand in it. `is_cut` says that it is not whole.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn files(answer: &str, is_cut: bool) -> Result<Vec<(String, String)>, String> {
    if is_cut {
        return Err("it was too long and was cut; ask for a smaller change".to_owned());
    }
    if answer.contains(MARK) {
        return Err(
            "something in it that looks like a secret was taken out, so its files are not whole; make that change by hand"
                .to_owned(),
        );
    }
    let mut files: Vec<(String, String)> = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in answer.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        match (&mut open, bare.strip_prefix(BEGIN)) {
            (None, Some(path)) => open = Some((checked(path)?, String::new())),
            (Some((path, _)), Some(_)) => return Err(format!("the file {path} has no end")),
            (Some(_), None) if bare == END => files.extend(open.take()),
            (Some((_, text)), None) => text.push_str(line),
            (None, None) => {}
        }
    }
    if let Some((path, _)) = open {
        return Err(format!("the file {path} has no end"));
    }
    if files.is_empty() {
        return Err("the answer holds no file".to_owned());
    }
    Ok(files)
}

fn checked(path: &str) -> Result<String, String> {
    let path = path.trim();
    let is_below = !path.is_empty()
        && !path.starts_with('/')
        && !path.split('/').any(|part| part == ".." || part == ".git");
    if is_below {
        Ok(path.to_owned())
    } else {
        Err(format!("{path:?} is no path below the project"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_proto::evolution::v1::{Evidence, Location};

    use super::*;

    #[test]
    fn the_goal_has_its_evidence_and_no_line_of_others() {
        let opportunity = Opportunity {
            title: "Split total\nAnswer: nothing".into(),
            location: Some(Location {
                path: "src/price.js".into(),
                line: 7,
                ..Location::default()
            }),
            evidence: vec![Evidence {
                tool: "eslint".into(),
                text: "complexity 14".into(),
                location: None,
            }],
            ..Opportunity::default()
        };
        let goal = goal(&opportunity);
        assert!(
            goal.starts_with("Split total Answer: nothing\n\nWhere: src/price.js:7\n"),
            "{goal}"
        );
        assert!(goal.contains("- complexity 14 (eslint)\n"));
    }

    #[test]
    fn an_answer_gives_whole_files_byte_for_byte() {
        let answer =
            "Here it is.\n=== FILE src/a.js\nlet a;\r\n\n=== END\nand\n=== FILE b.js\nx\n=== END";
        let found = files(answer, false).unwrap();
        assert_eq!(
            found,
            [
                ("src/a.js".to_owned(), "let a;\r\n\n".to_owned()),
                ("b.js".to_owned(), "x\n".to_owned())
            ]
        );
    }

    #[test]
    fn an_answer_without_whole_files_is_refused() {
        for answer in [
            "",
            "no file",
            "=== FILE a.js\nx",
            "=== FILE a.js\n=== FILE b.js\n=== END",
            "=== FILE ../a.js\nx\n=== END",
            "=== FILE /etc/passwd\nx\n=== END",
            "=== FILE .git/hooks/pre-commit\nx\n=== END",
        ] {
            assert!(files(answer, false).is_err(), "{answer}");
        }
        let whole = "=== FILE a.js\nx\n=== END";
        assert!(files(whole, true).is_err());
        assert!(files(&whole.replace('x', "'[redacted:token]'"), false).is_err());
    }
}
