//! One parse of a file, within bounds.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use big_code_analysis::tree_sitter::{ParseOptions, ParseState, Parser};
use big_code_analysis::{Ast, LANG};

/// Why nothing is known of a file whose caller is gone.
pub(super) const STOPPED: &str = "the call was cancelled";
/// The largest source takes a tenth of it. Only texts that are made for it, or are no code at all, lead the parser astray for longer.
const WITHIN: Duration = Duration::from_secs(10);

/// Parses a text; the parser goes on behind broken syntax. It ends early if `is_stopped`.
///
/// # Errors
/// If its time is up, or it was stopped.
pub(super) fn parse(
    language: LANG,
    text: &str,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Ast, String> {
    let grammar = language
        .tree_sitter_language()
        .map_err(|why| why.to_string())?;
    let mut parser = Parser::new();
    parser
        .set_language(&grammar)
        .map_err(|why| why.to_string())?;
    let began = Instant::now();
    let mut watch = |_: &ParseState| match is_stopped() || began.elapsed() > WITHIN {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let options = ParseOptions::new().progress_callback(&mut watch);
    let bytes = text.as_bytes();
    let mut rest = |from: usize, _| bytes.get(from..).unwrap_or_default();
    match parser.parse_with_options(&mut rest, None, Some(options)) {
        Some(tree) => Ast::from_tree_sitter(language, tree, bytes.to_vec(), None)
            .map_err(|why| why.to_string()),
        None if is_stopped() => Err(STOPPED.to_owned()),
        None => Err(format!(
            "the parser did not come to its end within {} s",
            WITHIN.as_secs()
        )),
    }
}
