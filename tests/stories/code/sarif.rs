//! SARIF as code hosts and editors read it.

use std::process::Command;

use serde_json::Value;
use shim_tests::node;

use super::CodeEnv;

/// Names that a URI cannot hold as they are.
const ODD_NAMES: [&str; 4] = [
    "src/a b.js",
    "src/ä#1?.js",
    "src/100%25.js",
    "src/[id]:x.js",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_to_the_schema_and_its_places_are_where_they_say() {
    let env = CodeEnv::new().await;
    for name in ODD_NAMES {
        let code = "const é = '😀'; debugger;\r\nvoid é; // eslint-disable-next-line no-debugger -- why\r\ndebugger;\r\n";
        std::fs::write(env.root().join(name), code).unwrap();
    }
    std::fs::write(env.root().join("src/broken.js"), "function ( {\n").unwrap();
    std::fs::write(env.root().join("src/old.js"), "\u{feff}debugger;\n").unwrap();
    let log = env.temp.root().join("log.sarif");
    std::fs::write(&log, env.said(&["analyze", ".", "--sarif"]).await).unwrap();

    let folder = node::folder();
    let checked = Command::new("node")
        .args(["--preserve-symlinks", "--preserve-symlinks-main"])
        .arg(folder.join("scripts/sarif.mjs"))
        .arg(&log)
        .arg(env.root().canonicalize().unwrap())
        .args(["no-debugger", "debugger;"])
        .output()
        .unwrap();
    let faults = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{faults}");
    let counted: Value = serde_json::from_slice(&checked.stdout).unwrap();
    // Two in each of the odd ones, one of which is suppressed, and one more.
    let odd = ODD_NAMES.len() as u64;
    assert_eq!(counted["marked"], 2 * odd + 1, "{counted}");
}
