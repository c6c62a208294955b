//! What is below `deploy/` fits together and fits the program: manifests, the compose file, and the settings in both.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use shim_tests::{binary, python};

/// How a container starts the program.
#[derive(serde::Deserialize)]
struct Started {
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// Every container of SHIM in the compose file and in the manifests, which were checked on the way.
fn containers(root: &Path) -> BTreeMap<String, Started> {
    let words = python::script_command("manifests.py");
    let output = Command::new(&words[0])
        .args(&words[1..])
        .arg(root)
        .output()
        .unwrap();
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{faults}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_container_is_started_with_settings_the_program_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("shim.toml");
    for file in [
        "deploy/compose/shim.toml",
        "deploy/kubernetes/base/shim.toml",
    ] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        // The image has this folder; this machine need not.
        let here = format!("roots = [{:?}]", folder.path());
        let text = text.replace("roots = [\"/work\"]", &here);
        assert!(text.contains(&here), "{file} names other roots");
        std::fs::write(&config, text).unwrap();
        for (name, started) in containers(root) {
            // It reads the whole configuration and then finds no service: exit code 64 would be a refused setting.
            let output = Command::new(binary::shim())
                .args(["healthcheck", "--endpoint", "http://127.0.0.1:1"])
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .envs(&started.env)
                .env("SHIM_CONFIG", &config)
                .env("SHIM_DATA_DIR", folder.path())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
            assert!(stderr.contains("127.0.0.1:1"), "{name}: {stderr}");

            let help = Command::new(binary::shim())
                .args(&started.args)
                .arg("--help")
                .output()
                .unwrap();
            assert!(help.status.success(), "{name}: {:?}", started.args);
        }
    }
}
