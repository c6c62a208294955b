//! Lines of an archive, as `shim sessions import` reads them: by the very module of the program.
#![no_main]
#![allow(dead_code, unused_imports)]

use libfuzzer_sys::fuzz_target;
use shim_proto::checkpoint::v1::ArchiveRecord;

#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/remedies.rs"]
mod remedies;
#[path = "../../src/output"]
mod output {
    pub(crate) mod json;
}

fuzz_target!(|line: &str| {
    let _ = output::json::read::<ArchiveRecord>(line);
});
