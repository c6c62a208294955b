//! Whose words a user's line holds: a person's, the client's own, or nobody's.

use crate::hook_input::is_of_client;

/// What the text of a user's line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UserText {
    /// A prompt; the client's own if it wrote it itself.
    Prompt { text: String, by_client: bool },
    /// A command that the client ran by itself, its output, a note that a person stopped the model: no prompt.
    Other,
}

/// How texts begin that are no prompts: commands of the client and of a shell with their output, and the note that a
/// person stopped the model.
const NO_PROMPT: [&str; 7] = [
    "<command-name>",
    "<local-command-",
    "<bash-input>",
    "<bash-stdout>",
    "<bash-stderr>",
    "<user-memory-input>",
    "[Request interrupted by user",
];
/// How texts begin that the client adds to a prompt.
const ADDED: [&str; 2] = ["<system-reminder>", "<ide_"];

/// Judges the words of a line. `origin` is who wrote them, as the client tells in newer versions.
pub(super) fn judge(texts: &[&str], origin: Option<&str>) -> UserText {
    let is_added = |text: &str| ADDED.iter().any(|mark| text.trim_start().starts_with(mark));
    let is_all_added = texts.iter().all(|text| is_added(text));
    let own = texts.iter().filter(|text| is_all_added || !is_added(text));
    let text = own.copied().collect::<Vec<_>>().join("\n");
    let begins = text.trim_start();
    if begins.is_empty() || NO_PROMPT.iter().any(|mark| begins.starts_with(mark)) {
        return UserText::Other;
    }
    let by_client = origin.is_some_and(|origin| origin != "human") || is_of_client(begins);
    UserText::Prompt {
        text: command(begins).unwrap_or(text),
        by_client,
    }
}

/// A command that is a prompt, `/name arguments`, as the person typed it.
fn command(text: &str) -> Option<String> {
    if !text.starts_with("<command-message>") {
        return None;
    }
    let name = between(text, "<command-name>", "</command-name>")?.trim();
    let arguments = between(text, "<command-args>", "</command-args>").unwrap_or_default();
    Some(format!("{name} {}", arguments.trim()).trim().to_owned())
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    // Arguments may hold anything: up to the last end.
    Some(&rest[..rest.rfind(end)?])
}

/// A summary of a compaction without what the client puts around it.
pub(super) fn summary(text: &str) -> &str {
    let mut text = text;
    if text.starts_with("This session is being continued") {
        text = text.split_once("\n\n").map_or(text, |(_, rest)| rest);
    }
    let trimmed = text.trim_start();
    if trimmed.starts_with("<system-reminder>")
        && let Some((_, rest)) = trimmed.split_once("</system-reminder>")
    {
        text = rest;
    }
    let end = text.find("\n\nIf you need specific details from before compaction");
    text[..end.unwrap_or(text.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str, by_client: bool) -> UserText {
        UserText::Prompt {
            text: text.to_owned(),
            by_client,
        }
    }

    #[test]
    fn words_of_persons_are_told_from_those_of_the_client() {
        let cases = [
            (
                "Fix the parser\nplease",
                None,
                prompt("Fix the parser\nplease", false),
            ),
            ("Fix it", Some("human"), prompt("Fix it", false)),
            ("Fix it", Some("task-notification"), prompt("Fix it", true)),
            (
                "<task-notification>\n<task-id>a</task-id></task-notification>",
                None,
                prompt(
                    "<task-notification>\n<task-id>a</task-id></task-notification>",
                    true,
                ),
            ),
            (
                "<command-message>mine</command-message>\n<command-name>/mine</command-name>\n<command-args>a b</command-args>",
                Some("human"),
                prompt("/mine a b", false),
            ),
            (
                "<command-message>mine</command-message>\n<command-name>/mine</command-name>",
                None,
                prompt("/mine", false),
            ),
            (
                "<command-name>/clear</command-name>\n<command-message>clear</command-message>",
                None,
                UserText::Other,
            ),
            (
                "<local-command-stdout>Compacted</local-command-stdout>",
                None,
                UserText::Other,
            ),
            ("<bash-input>ls</bash-input>", None, UserText::Other),
            (
                "[Request interrupted by user for tool use]",
                None,
                UserText::Other,
            ),
            ("  \n", None, UserText::Other),
        ];
        for (text, origin, expected) in cases {
            assert_eq!(judge(&[text], origin), expected, "{text}");
        }
    }

    #[test]
    fn what_the_client_adds_to_a_prompt_is_left_out() {
        let texts = ["<ide_opened_file>a.rs</ide_opened_file>", "Look at it"];
        assert_eq!(judge(&texts, None), prompt("Look at it", false));
        let alone = judge(&["<system-reminder>x</system-reminder>"], None);
        assert_eq!(alone, prompt("<system-reminder>x</system-reminder>", true));
    }

    #[test]
    fn a_summary_is_freed_of_what_is_put_around_it() {
        let around = "This session is being continued from a previous one.\n\n<system-reminder>\nx\n</system-reminder>\nWe wrote a.\n\nIf you need specific details from before compaction (like code), read y";
        assert_eq!(summary(around), "We wrote a.");
        assert_eq!(
            summary(" We wrote a.\n\nThen b. "),
            "We wrote a.\n\nThen b."
        );
    }
}
