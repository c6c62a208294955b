//! Two patterns of files: whether they overlap does not depend on their order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shim_runtime::files::{Budget, Pattern};

fuzz_target!(|text: &str| {
    let (left, right) = text.split_once('\n').unwrap_or((text, text));
    let (Ok(left), Ok(right)) = (Pattern::parse(left), Pattern::parse(right)) else {
        return;
    };
    let one = left.overlaps(&right, &mut Budget::per_decision());
    let other = right.overlaps(&left, &mut Budget::per_decision());
    assert_eq!(one, other, "{left:?} {right:?}");
});
