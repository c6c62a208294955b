//! Schedules in five fields, as they are given and as they are kept.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    shim_coordination::fuzzing::schedule(text);
});
