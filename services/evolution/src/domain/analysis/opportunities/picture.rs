//! What opportunities are found in.

use std::collections::BTreeMap;

use shim_proto::evolution::v1::{DebtMarker, Duplicate, Figures, Finding, Hotspot, ImportCycle};

use crate::domain::analysis::coverage::CoverageFacts;
use crate::domain::analysis::facts::OldForms;

/// All that is known of a project's code.
#[derive(Default)]
pub(crate) struct Picture<'a> {
    /// Figures of functions.
    pub(crate) functions: &'a [Figures],
    /// Older forms in files, by path.
    pub(crate) old_forms: Vec<(&'a str, &'a [OldForms])>,
    /// Markers of debt.
    pub(crate) markers: &'a [DebtMarker],
    /// Where changing is dear.
    pub(crate) hotspots: &'a [Hotspot],
    /// Findings of all tools.
    pub(crate) findings: &'a [Finding],
    /// Circles of imports.
    pub(crate) cycles: &'a [ImportCycle],
    /// Duplicated code.
    pub(crate) duplicates: &'a [Duplicate],
    /// Coverage by path, if a report was found.
    pub(crate) coverage: Option<&'a CoverageFacts>,
}

impl Picture<'_> {
    /// How hot each file is, 0..1.
    pub(super) fn heat(&self) -> BTreeMap<&str, f64> {
        let scores = self
            .hotspots
            .iter()
            .map(|hotspot| (hotspot.path.as_str(), hotspot.score));
        scores.collect()
    }
}
