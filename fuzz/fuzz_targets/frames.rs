//! Messages of MCP as a client sends them, whole or damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    shim_gateway::fuzzing::frames(message);
});
