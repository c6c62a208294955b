//! The file of tokens.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    shim_runtime::auth::fuzzing::token_file(text);
});
