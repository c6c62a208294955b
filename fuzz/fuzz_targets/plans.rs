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
mod output {
    #[path = "../../../src/output/json.rs"]
    pub(crate) mod json;
    #[path = "../../../src/output/style.rs"]
    pub(crate) mod style;
}
mod tasks {
    #[path = "../../../src/tasks/labels.rs"]
    mod labels;
    #[path = "../../../src/tasks/plan_words.rs"]
    mod plan_words;
    #[path = "../../../src/tasks/subtask_file.rs"]
    pub(crate) mod subtask_file;
}

fuzz_target!(|text: &str| {
    let _ = tasks::subtask_file::parse(text);
});
