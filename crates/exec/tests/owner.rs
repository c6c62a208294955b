//! A process that owns a program, for stories that kill it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use shim_exec::{GroupChild, Groups};

use crate::test_env::{WORK, shell};

/// The supervisor of these stories.
pub(crate) const SUPERVISOR: &str = env!("CARGO_BIN_EXE_shim-exec-supervisor");
/// Name the folder, the script and whether it is supervised to an owner process.
const FOLDER: &str = "OWNER_FOLDER";
const SCRIPT: &str = "OWNER_SCRIPT";
const SUPERVISED: &str = "OWNER_SUPERVISED";

/// Not a story: the process that stories kill. It runs a script that holds the lifeline in `FOLDER`.
#[tokio::test]
#[ignore = "a process of other tests"]
async fn owner_process() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let script = std::env::var(SCRIPT).unwrap();
    let launch = shell(&script, &folder.join("lifeline"), folder);
    let mut groups = open(folder);
    if std::env::var_os(SUPERVISED).is_some() {
        groups = groups.supervised_by(SUPERVISOR.into());
    }
    let mut child = GroupChild::spawn(&launch, &Arc::new(groups)).await.unwrap();
    child.wait().await.unwrap();
}

pub(crate) fn open(folder: &Path) -> Groups {
    Groups::open(&folder.join("groups"), WORK).unwrap()
}

/// A process that owns a group; killed when it is dropped.
pub(crate) struct OwnerProcess(pub(crate) Child);

impl OwnerProcess {
    pub(crate) fn spawn(folder: &Path, script: &str, is_supervised: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "owner::owner_process", "--ignored"])
            .env(FOLDER, folder)
            .env(SCRIPT, script)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if is_supervised {
            command.env(SUPERVISED, "yes");
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for OwnerProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
