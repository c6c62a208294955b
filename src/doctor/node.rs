//! Node, which runs the tools of the evolution service, and the tools themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shim_evolution::{OLDEST_NODE, node_version, tools_installed};
use shim_exec::find_program;

use super::check::Check;
use crate::config::Config;

const NAME: &str = "node";
const WITHOUT: &str = "`shim analyze`, `evolve` and `generate-tests` need it; all else works";

/// The Node that the evolution service would use, and whether its tools are installed.
pub(super) fn check(config: &Config) -> Check {
    let configured = config.evolution.node.clone();
    let remedy = if configured.is_some() {
        format!("correct evolution.node: it must name Node.js {OLDEST_NODE} or newer")
    } else {
        format!("install Node.js {OLDEST_NODE} or newer, or set evolution.node to its path")
    };
    let program = match find_program(&configured.unwrap_or_else(|| PathBuf::from(NAME))) {
        Ok(program) => program,
        Err(why) => return Check::warn(NAME, format!("{why}: {WITHOUT}"), remedy),
    };
    let shown = program.display();
    match said_version(&program).as_deref().and_then(node_version) {
        Some([major, minor, patch]) if major < OLDEST_NODE => Check::warn(
            NAME,
            format!("{shown} is version {major}.{minor}.{patch}: {WITHOUT}"),
            remedy,
        ),
        Some([major, minor, patch]) => {
            let found = format!("{shown}, version {major}.{minor}.{patch}");
            tools(&found, &program, config)
        }
        None => Check::warn(
            NAME,
            format!("{shown} does not tell a version of Node.js"),
            remedy,
        ),
    }
}

fn tools(found: &str, node: &Path, config: &Config) -> Check {
    if tools_installed(config.data_dir()) {
        return Check::ok(NAME, format!("{found}; the tools are installed"));
    }
    let beside = node.with_file_name("npm");
    match find_program(&beside).or_else(|_| find_program(Path::new("npm"))) {
        Ok(_) => Check::ok(
            NAME,
            format!("{found}; npm installs the tools at first use, some 125 MB"),
        ),
        Err(why) => Check::warn(
            NAME,
            format!("{found}; the tools cannot be installed: {why}"),
            "install npm, which comes with Node.js",
        ),
    }
}

fn said_version(node: &Path) -> Option<String> {
    let output = Command::new(node)
        .arg("--version")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()
}
