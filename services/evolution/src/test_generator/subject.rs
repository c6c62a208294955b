//! A function with those of its calls that may be tests.

use std::collections::BTreeMap;

use shim_proto::evolution::v1::DroppedTests;

use super::observe::{self, Look};
use super::tools::{FoundFunction, FoundModule};
use crate::domain::testing::candidates::{Call, Subject};
use crate::domain::testing::observation::{Seen, unfit, unusable};

static NOTHING: BTreeMap<usize, Seen> = BTreeMap::new();

/// What is known of a function's calls; or why it gets no test.
pub(super) fn subject<'a>(
    module: &'a FoundModule,
    function: &'a FoundFunction,
    first: &'a Look,
    second: &'a Look,
) -> Result<(Subject<'a>, Vec<DroppedTests>), String> {
    if let Some(why) = never_called(module, function, first) {
        return Err(why);
    }
    let calls = first.observed.get(&function.id).unwrap_or(&NOTHING);
    let again = second.observed.get(&function.id).unwrap_or(&NOTHING);
    let seen: Vec<&Seen> = calls.values().collect();
    if let Some(why) = unfit(&seen) {
        return Err(why);
    }
    let (calls, reasons) = usable_calls(function, calls, again);
    let subject = Subject {
        id: function.id,
        name: &function.name,
        makes_instances: function.makes_instances(),
        is_factory: function.is_factory(),
        parameters: function
            .parameters
            .iter()
            .map(|it| it.name.as_str())
            .collect(),
        calls,
        siblings: module
            .functions
            .iter()
            .map(|it| (it.name.as_str(), it.id))
            .collect(),
    };
    Ok((subject, reasons))
}

/// Why there is nothing to be said of a function.
fn never_called(module: &FoundModule, function: &FoundFunction, first: &Look) -> Option<String> {
    if let Some(why) = first.unloaded.get(&module.path) {
        return Some(format!(
            "its module cannot be loaded by the test runner: {why}"
        ));
    }
    if first.missing.contains(&function.id) {
        return Some("its module does not export it as a function".to_owned());
    }
    first.given_up.get(&function.id).cloned()
}

/// The calls that may be tests, and why the others may not.
fn usable_calls<'a>(
    function: &'a FoundFunction,
    calls: &'a BTreeMap<usize, Seen>,
    again: &'a BTreeMap<usize, Seen>,
) -> (Vec<Call<'a>>, Vec<DroppedTests>) {
    let mut usable = Vec::new();
    let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
    for (at, args) in observe::inputs(function).into_iter().enumerate() {
        let seen = calls.get(&at);
        let why = match seen {
            Some(seen) => unusable(seen, again.get(&at)),
            None => Some("ends the process or has to be ended with it"),
        };
        match (seen, why) {
            (Some(seen), None) => usable.push(Call {
                args,
                seen,
                is_random: at >= function.cases.len(),
            }),
            (_, why) => *reasons.entry(why.unwrap_or_default()).or_default() += 1,
        }
    }
    let reasons = reasons.into_iter().map(|(reason, count)| DroppedTests {
        count,
        reason: reason.to_owned(),
    });
    (usable, reasons.collect())
}
