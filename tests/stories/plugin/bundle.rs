//! The bundle for Claude Desktop, as the makers of the format check it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use shim_tests::{binary, node};

fn source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
}

#[test]
fn the_bundle_is_valid_and_holds_the_program_and_what_it_offers() {
    let mcpb = node::folder().join("node_modules/.bin/mcpb");
    assert!(
        mcpb.exists(),
        "{}: run `make test`, which installs it",
        mcpb.display()
    );
    let folder = tempfile::tempdir().unwrap();
    // With what a debugger needs the program is large, and packing it takes longer than all else.
    let program = folder.path().join("shim");
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", binary::shim().display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let built = Command::new(source("deploy/mcpb/build.sh"))
        .arg(&program)
        .arg(folder.path())
        .arg(&mcpb)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stdout) + String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(said.contains("Manifest schema validation passes"), "{said}");
    let unpacked = folder.path().join("unpacked");
    let bundle = folder.path().join("shim.mcpb");
    let unpack = Command::new(&mcpb)
        .arg("unpack")
        .arg(bundle)
        .arg(&unpacked)
        .output()
        .unwrap();
    assert!(
        unpack.status.success(),
        "{}",
        String::from_utf8_lossy(&unpack.stderr)
    );
    let manifest = std::fs::read_to_string(unpacked.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        manifest["compatibility"]["platforms"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let program = unpacked.join(manifest["server"]["entry_point"].as_str().unwrap());
    let version = Command::new(program).arg("--version").output().unwrap();
    assert!(version.status.success());
    for tool in manifest["tools"].as_array().unwrap() {
        let name = tool["name"]
            .as_str()
            .unwrap()
            .strip_prefix("shim_")
            .unwrap();
        let at = source(&format!("gateway/src/tools/{name}"));
        assert!(at.is_dir() || at.with_extension("rs").is_file(), "{tool}");
    }
}
