//! Figures of big-code-analysis, as it has them.

use big_code_analysis::{FuncSpace, SpaceKind};
use shim_proto::evolution::v1::Figures;

use crate::domain::analysis::facts::FileFacts;
use crate::domain::analysis::places::number;

/// What measures, with the version that the workspace pins.
pub(crate) const TOOL: &str = "big-code-analysis 2.4";

/// Adds the figures of the file and of its functions, outer ones before inner ones.
pub(super) fn add(file: &FuncSpace, facts: &mut FileFacts) {
    facts.file = Figures {
        function: String::new(),
        cyclomatic: float(file.metrics.cyclomatic.cyclomatic_sum()),
        cognitive: float(file.metrics.cognitive.cognitive_sum()),
        ..figures(file)
    };
    let mut open: Vec<&FuncSpace> = file.spaces.iter().rev().collect();
    while let Some(space) = open.pop() {
        if space.kind == SpaceKind::Function {
            facts.functions.push(figures(space));
        }
        open.extend(space.spaces.iter().rev());
    }
}

fn figures(space: &FuncSpace) -> Figures {
    let metrics = &space.metrics;
    Figures {
        path: String::new(),
        function: space.name.clone().unwrap_or_default(),
        start_line: number(space.start_line),
        end_line: number(space.end_line),
        cyclomatic: float(metrics.cyclomatic.cyclomatic()),
        cognitive: float(metrics.cognitive.cognitive()),
        lines: float(metrics.loc.sloc()),
        parameters: u32::try_from(metrics.nargs.own_args()).unwrap_or(u32::MAX),
        maintainability: finite(metrics.mi.original()),
        tool: TOOL.to_owned(),
    }
}

#[allow(clippy::cast_precision_loss)] // Counts of a file's constructs are far below 2^52.
fn float(count: u64) -> f64 {
    count as f64
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}
