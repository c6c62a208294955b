//! Which Node runs the tools.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_exec::{Launch, find_program, inherited_env};
use tokio_util::sync::CancellationToken;

use super::error::HostError;
use super::programs::Programs;

/// The oldest major version whose behaviour with these tools is known.
pub const OLDEST_MAJOR: u32 = 20;
/// Telling a version takes milliseconds; a program that takes longer is no Node.
const VERSION_WITHIN: Duration = Duration::from_secs(10);

/// A Node that may run the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The file to execute.
    pub(crate) program: PathBuf,
    /// Its version: major, minor, patch.
    pub(crate) version: [u32; 3],
}

impl Node {
    /// The Node that `configured` names: a path, or a name to be found on `PATH`.
    pub(super) async fn find(configured: &Path, programs: &Programs) -> Result<Self, HostError> {
        let missing = |why: String| HostError::NodeMissing { why };
        let program = find_program(configured).map_err(missing)?;
        let said = said_version(&program, programs).await;
        let shown = program.display();
        let version = said
            .as_deref()
            .and_then(parse)
            .ok_or_else(|| missing(format!("{shown} does not tell a version of Node.js")))?;
        let [major, minor, patch] = version;
        if major < OLDEST_MAJOR {
            let why = format!(
                "{shown} is {major}.{minor}.{patch}, and {OLDEST_MAJOR} is the oldest that can"
            );
            return Err(missing(why));
        }
        Ok(Self { program, version })
    }

    /// The flag of the permission model, which had another name while it was an experiment.
    pub(super) fn permission_flag(&self) -> &'static str {
        let [major, minor, _] = self.version;
        let is_stable = match major {
            ..22 => false,
            22 => minor >= 13,
            23 => minor >= 5,
            24.. => true,
        };
        if is_stable {
            "--permission"
        } else {
            "--experimental-permission"
        }
    }
}

async fn said_version(program: &Path, programs: &Programs) -> Option<String> {
    let launch = Launch {
        file: program.to_path_buf(),
        args: vec!["--version".to_owned()],
        folder: "/".into(),
        env: inherited_env([]).collect(),
        work_id: "node-version".to_owned(),
    };
    let never = CancellationToken::new();
    let finished = programs.run(launch, VERSION_WITHIN, &never).await.ok()?;
    finished.is_success().then_some(finished.stdout)
}

/// The version in `v20.20.2`, as Node tells it; pre-releases count as what they lead to.
#[must_use]
pub fn parse(said: &str) -> Option<[u32; 3]> {
    let numbers = said.trim().strip_prefix('v')?;
    let numbers = numbers.split('-').next()?;
    let mut parts = numbers.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool_host::test_host::TestHost;

    #[test]
    fn versions_are_read_as_node_tells_them() {
        assert_eq!(parse("v20.20.2\n"), Some([20, 20, 2]));
        assert_eq!(parse("v25.0.0-nightly2025\n"), Some([25, 0, 0]));
        for other in ["", "20.1.1", "v20", "deno 2.1.0", "vx.y.z"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_flag_of_permissions_follows_the_version() {
        let flag = |version| {
            Node {
                program: PathBuf::new(),
                version,
            }
            .permission_flag()
        };
        for old in [[20, 20, 2], [21, 0, 0], [22, 12, 0], [23, 4, 1]] {
            assert_eq!(flag(old), "--experimental-permission");
        }
        for new in [[22, 13, 0], [23, 5, 0], [24, 0, 0], [26, 1, 0]] {
            assert_eq!(flag(new), "--permission");
        }
    }

    #[tokio::test]
    async fn what_is_no_node_or_an_old_one_is_refused_with_the_reason() {
        let test = TestHost::new();
        let script = |name, says| test.script(name, &format!("echo {says}"));
        let why = async |path: &Path| match Node::find(path, &test.programs()).await {
            Err(HostError::NodeMissing { why }) => why,
            other => format!("{other:?}"),
        };
        assert!(why(Path::new("no-such-node")).await.contains("not on PATH"));
        let old = why(&script("old", "v18.20.8")).await;
        assert!(old.contains("18.20.8, and 20 is the oldest"), "{old}");
        let other = why(&script("other", "hello")).await;
        assert!(other.contains("does not tell a version"), "{other}");
        let new = Node::find(&script("new", "v24.1.0"), &test.programs())
            .await
            .unwrap();
        assert_eq!(new.version, [24, 1, 0]);
    }
}
