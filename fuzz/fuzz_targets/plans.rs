//! Files with the parts of a job, as `shim tasks submit` reads them: by the very modules of the program.
#![no_main]
#![allow(dead_code, unused_imports)]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/json_object.rs"]
mod json_object;
#[path = "../../src/remedies.rs"]
mod remedies;
#[path = "../../src/output"]
mod output {
    pub(crate) mod json;
    pub(crate) mod style;
}
#[path = "../../src/tasks"]
mod tasks {
    mod labels;
    mod plan_words;
    pub(crate) mod subtask_file;
}

fuzz_target!(|text: &str| {
    let _ = tasks::subtask_file::parse(text);
});
