//! What one file tells by itself: figures, imports, markers of debt, older forms and tokens, from one parse of it.

mod figures;
mod imports;
mod walk;

use std::path::Path;

use big_code_analysis::{Ast, LANG, Metric, MetricsOptions, Source};

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

/// Reads a file's facts.
///
/// # Errors
/// If the file cannot be measured. Broken syntax is no error here: the parser goes on behind it.
pub(crate) fn read(language: LANG, text: &str) -> Result<FileFacts, String> {
    let ast = Ast::parse(Source::new(language, text.as_bytes())).map_err(|why| why.to_string())?;
    let metrics = ast
        .metrics(MetricsOptions::default().with_only(&METRICS))
        .map_err(|why| why.to_string())?;
    let mut facts = walk::walk(&ast, language, text);
    figures::add(&metrics, &mut facts);
    Ok(facts)
}

#[cfg(test)]
mod tests;
