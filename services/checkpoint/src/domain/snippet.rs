//! Full-text search in words: what a query asks for and where a state answers it.

use shim_proto::checkpoint::v1::CheckpointState;
use shim_render::text::cut_bytes;

use super::text_match::{Folded, fold};

const CONTEXT_BYTES: usize = 60;
const MAX_TERMS: usize = 32;

/// The words and "quoted phrases" of a query.
pub(crate) fn terms(query: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for (i, part) in query.split('"').enumerate() {
        let inside_quotes = i % 2 == 1;
        if inside_quotes {
            terms.push(part.trim().to_owned());
        } else {
            terms.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    terms.retain(|term| term.chars().any(char::is_alphanumeric));
    terms.truncate(MAX_TERMS);
    terms
}

/// How the words of a query are compared with those of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordMatch {
    Whole,
    /// As the beginning of a word.
    Prefix,
}

/// The terms in FTS5's query language: each a quoted string, so no word can act as an operator
/// (<https://www.sqlite.org/fts5.html#full_text_query_syntax>).
pub(crate) fn fts5_query(terms: &[String], how: WordMatch) -> String {
    let mark = match how {
        WordMatch::Whole => "",
        WordMatch::Prefix => "*",
    };
    terms
        .iter()
        .map(|term| format!("\"{}\"{mark}", term.replace('"', "\"\"")))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// Whether a state holds every one of the needles, which were made by [`super::text_match::needle`], within its words.
pub(crate) fn holds_all(state: &CheckpointState, needles: &[String]) -> bool {
    let texts: Vec<String> = searchable_texts(state).map(fold).collect();
    let holds = |needle: &String| texts.iter().any(|text| text.contains(needle.as_str()));
    needles.iter().all(holds)
}

/// The texts of a state that are searched.
pub(crate) fn searchable_texts(state: &CheckpointState) -> impl Iterator<Item = &str> {
    [&state.current_task, &state.summary]
        .into_iter()
        .chain(&state.decisions)
        .chain(&state.next_steps)
        .chain(&state.completed_steps)
        .chain(&state.left_open_steps)
        .chain(&state.blockers)
        .map(String::as_str)
}

/// Where the first term found stands, marked with `**`: as whole words if it stands so anywhere. The task if a match is
/// only in a spelling that is not known here.
pub(crate) fn snippet(state: &CheckpointState, terms: &[String]) -> String {
    let found = [Folded::find_words, Folded::find_within]
        .into_iter()
        .find_map(|find| {
            searchable_texts(state).find_map(|text| {
                let folded = Folded::of(text);
                let place = terms.iter().find_map(|term| find(&folded, term));
                place.map(|(start, end)| excerpt(text, start, end))
            })
        });
    found.unwrap_or_else(|| cut_bytes(&state.current_task, 2 * CONTEXT_BYTES).into_owned())
}

fn excerpt(text: &str, start: usize, end: usize) -> String {
    let mut from = start.saturating_sub(CONTEXT_BYTES);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (end + CONTEXT_BYTES).min(text.len());
    while !text.is_char_boundary(to) {
        to += 1;
    }
    let (before, after) = (
        if from > 0 { "..." } else { "" },
        if to < text.len() { "..." } else { "" },
    );
    format!(
        "{before}{}**{}**{}{after}",
        &text[from..start],
        &text[start..end],
        &text[end..to]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_phrases_become_a_harmless_query() {
        let terms = terms("fix OR \"group commit\" - NEAR( *");
        assert_eq!(terms, ["fix", "OR", "group commit", "NEAR("]);
        assert_eq!(
            fts5_query(&terms, WordMatch::Whole),
            "\"fix\" AND \"OR\" AND \"group commit\" AND \"NEAR(\""
        );
    }

    #[test]
    fn a_prefix_is_asked_for_outside_of_the_quotes() {
        let query = fts5_query(&["a b".into(), "c\"d".into()], WordMatch::Prefix);
        assert_eq!(query, "\"a b\"* AND \"c\"\"d\"*");
    }

    #[test]
    fn the_match_is_marked_within_its_surroundings() {
        let state = CheckpointState {
            current_task: "other".into(),
            summary: format!("{} the Writer thread {}", "ä".repeat(100), "z".repeat(100)),
            ..Default::default()
        };
        let text = snippet(&state, &["writer".into()]);
        assert!(
            text.starts_with("...") && text.contains("**Writer** thread") && text.ends_with("..."),
            "{text}"
        );
        assert_eq!(snippet(&state, &["absent".into()]), "other");
        let long = CheckpointState {
            summary: format!("{}身份验证超时{}", "请".repeat(100), "修".repeat(100)),
            ..Default::default()
        };
        let text = snippet(&long, &["身份验证".into()]);
        assert!(
            text.starts_with("...请") && text.contains("请**身份验证**超时修"),
            "{text}"
        );
    }
}
