//! A generation between its steps.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::FunctionTests;

use super::bench::Bench;
use super::context::Options;
use super::measure::{self, Measured};
use super::screen::Screened;
use super::tools::{FoundFunction, FoundModule, Instrumented};
use crate::domain::testing::candidates::Candidate;

/// Tests that may be kept, and what became of mutants.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) tests: Vec<Candidate>,
    pub(super) screened: Screened,
    /// What the project's own tests kill.
    pub(super) own: measure::Before,
}

/// One generation, between its steps.
pub(super) struct Generation<'a> {
    pub(super) bench: Bench<'a>,
    pub(super) instrumented: Vec<Instrumented>,
    pub(super) by_path: BTreeMap<String, Instrumented>,
    pub(super) options: &'a Options,
    pub(super) told: BTreeMap<u32, FunctionTests>,
}

impl Generation<'_> {
    /// The functions that get tests: those that no test reaches first. What no input can be made for is told and left out.
    pub(super) fn chosen(
        &mut self,
        found: Vec<FoundModule>,
        before: &Measured,
    ) -> (Vec<FoundModule>, BTreeSet<u32>) {
        let (ids, reached) = self.first_functions(&found, before);
        let mut chosen = found;
        for module in &mut chosen {
            module
                .functions
                .retain(|function| ids.contains(&function.id));
            for function in &module.functions {
                let told = self.without_tests(&module.path, function);
                self.told.insert(function.id, told);
            }
            module
                .functions
                .retain(|function| function.needs.is_empty());
        }
        chosen.retain(|module| !module.functions.is_empty());
        (chosen, reached)
    }

    /// The most functions that may be chosen, and those of them that a test reaches.
    fn first_functions(
        &self,
        found: &[FoundModule],
        before: &Measured,
    ) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let mut ranked: Vec<(bool, u32)> = Vec::new();
        for module in found {
            for function in &module.functions {
                let is_reached = before.reaches(&self.instrumented, &module.path, function);
                ranked.push((is_reached, function.id));
            }
        }
        ranked.sort_unstable();
        ranked.truncate(self.options.max_functions);
        let reached = ranked.iter().filter(|(is_reached, _)| *is_reached);
        let reached = reached.map(|(_, id)| *id).collect();
        (ranked.into_iter().map(|(_, id)| id).collect(), reached)
    }

    /// What is told of a function before it has tests.
    fn without_tests(&self, path: &str, function: &FoundFunction) -> FunctionTests {
        let skipped = if function.needs.is_empty() {
            String::new()
        } else {
            format!("no input is known for {}", function.needs)
        };
        FunctionTests {
            path: path.to_owned(),
            function: function.name.clone(),
            mutants: self.mutants(path, function.id),
            skipped,
            ..FunctionTests::default()
        }
    }

    fn mutants(&self, path: &str, f: u32) -> u32 {
        let made = self.by_path.get(path);
        let count = made.map_or(0, |made| {
            made.mutants.iter().filter(|mutant| mutant.f == f).count()
        });
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Tells why a function gets no test.
    pub(super) fn skip(&mut self, f: u32, why: String) {
        if let Some(told) = self.told.get_mut(&f) {
            told.skipped = why;
        }
    }
}
