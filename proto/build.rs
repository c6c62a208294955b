//! Compiles the contract with protox, so no `protoc` has to be installed.

use std::path::PathBuf;

const PACKAGES: [&str; 4] = ["checkpoint", "coordination", "worker", "evolution"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    for package in PACKAGES {
        let folder = format!("shim/{package}/v1");
        println!("cargo::rerun-if-changed={folder}");
        for entry in std::fs::read_dir(&folder)? {
            files.push(entry?.path());
        }
    }
    files.sort();

    let descriptors = protox::Compiler::new(["."])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(&files)?
        .encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("shim.bin"), &descriptors)?;

    tonic_prost_build::configure()
        .btree_map(".")
        .compile_fds(protox::compile(&files, ["."])?)?;
    Ok(())
}
