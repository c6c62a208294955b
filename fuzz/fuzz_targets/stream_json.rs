//! The output of an agent, line by line.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|output: &[u8]| {
    shim_worker::executor::fuzzing::agent_output(output);
});
