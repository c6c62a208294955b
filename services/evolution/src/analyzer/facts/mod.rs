//! What one file tells by itself: figures, imports, markers of debt, older forms and tokens, from one parse of it.

mod figures;
mod imports;
mod parse;
mod walk;

use std::path::Path;

use big_code_analysis::{LANG, Metric, MetricsOptions};

use self::parse::{STOPPED, parse};
use crate::domain::analysis::facts::FileFacts;

pub(crate) use figures::TOOL as FIGURES_TOOL;

/// What [`figures`] reads; each of the others takes time of its own.
const METRICS: [Metric; 5] = [
    Metric::Cyclomatic,
    Metric::Cognitive,
    Metric::Loc,
    Metric::Nargs,
    Metric::Mi,
];

/// The grammar of a file, by its name. TypeScript without JSX has casts in angle brackets, so it has a grammar of its own.
pub(crate) fn language(path: &str) -> LANG {
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    match extension.unwrap_or_default() {
        "ts" | "mts" | "cts" => LANG::Typescript,
        "tsx" => LANG::Tsx,
        _ => LANG::Javascript,
    }
}

/// The most that figures may cost: tokens, each times the functions and classes around it. Code of people stays far below a
/// tenth of it, and the library takes about a second for as much.
const MAX_COST: u64 = 20_000_000;

/// Reads a file's facts. It ends early if `is_stopped`.
///
/// # Errors
/// If the file cannot be measured, or not within bounds. Broken syntax is no error here: the parser goes on behind it.
pub(crate) fn read(
    language: LANG,
    text: &str,
    is_stopped: &dyn Fn() -> bool,
) -> Result<FileFacts, String> {
    let ast = parse(language, text, is_stopped)?;
    let walked = walk::walk(&ast, language, text);
    if walked.cost > MAX_COST {
        return Err(format!(
            "its functions and classes stand {} deep in each other; measuring them would take too long",
            walked.deepest
        ));
    }
    if is_stopped() {
        return Err(STOPPED.to_owned());
    }
    let metrics = ast
        .metrics(MetricsOptions::default().with_only(&METRICS))
        .map_err(|why| why.to_string())?;
    let mut facts = walked.facts;
    figures::add(&metrics, &mut facts);
    Ok(facts)
}

#[cfg(test)]
mod tests;
