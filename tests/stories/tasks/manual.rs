//! The program in the chapter on BullMQ of `docs/jobs.md`, run as one file as it stands there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shim_tests::binary;
use shim_tests::node;
use shim_tests::temp_env::TempEnv;
use tokio::process::Command;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The one program of the document.
fn program() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/jobs.md");
    let text = std::fs::read_to_string(document).unwrap();
    let (_, rest) = text.split_once("```js\n").unwrap();
    let (program, rest) = rest.split_once("```").unwrap();
    assert!(!rest.contains("```js"), "there is one program");
    program.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_the_chapter_runs_as_it_stands() {
    let temp = TempEnv::new();
    // Its home, where the data folder is as the document has it, with the stack's own Redis.
    let home = temp.root().join("home");
    let share = home.join(".local/share");
    std::fs::create_dir_all(&share).unwrap();
    std::fs::create_dir_all(temp.data_dir()).unwrap();
    std::os::unix::fs::symlink(temp.data_dir(), share.join("shim")).unwrap();
    let up = Command::new(binary::shim())
        .args([
            "--data-dir",
            &temp.data_dir().display().to_string(),
            "up",
            "--detach",
        ])
        .stdout(Stdio::null())
        .status()
        .await;
    assert!(up.unwrap().success());

    // Beside the packages, as a project that installed them.
    let project = temp.root().join("project-of-ada");
    std::fs::create_dir_all(&project).unwrap();
    let packages = node::folder().join("node_modules");
    std::os::unix::fs::symlink(packages, project.join("node_modules")).unwrap();
    let file = project.join("greet.mjs");
    std::fs::write(&file, program()).unwrap();
    let run = Command::new("node")
        .arg(&file)
        .env("HOME", &home)
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(TIMEOUT, run).await;
    let run = run.expect("the program ends by itself").unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}\n{complaints}");
    assert_eq!(said, "done: greet the world\n", "{complaints}");
    temp.stop_stack();
}
