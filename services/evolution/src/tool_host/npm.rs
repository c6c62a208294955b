//! npm installs the packages, from whatever registry the user's own configuration names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_exec::{ExitCause, Launch, find_program, first_line, inherited_env};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::error::HostError;
use super::node::Node;
use super::programs::Programs;
use super::progress::ProgressSink;
use super::scripts::expected_packages;
use crate::programs::Finished;

/// On a slow network some 100 MB take minutes.
const INSTALL_WITHIN: Duration = Duration::from_secs(900);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// npm makes files by the umask.
const PRIVATE_UMASK: [&str; 3] = ["-c", r#"umask 077; exec "$@""#, "sh"];
/// What stands against a configuration that would install something else: no scripts of packages run, no links are made, and
/// nothing but the folder itself is meant.
const ARGUMENTS: [&str; 16] = [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-bin-links",
    "--no-update-notifier",
    "--no-progress",
    // On a full disk npm warns, goes on and exits with 0.
    "--loglevel=warn",
    "--omit=dev",
    "--include=optional",
    "--global=false",
    "--workspaces=false",
    "--package-lock=true",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
];
/// Variables that lead npm to its registry. It runs no code of packages, so it alone sees the tokens.
const VARIABLES: [&str; 14] = [
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NPM_TOKEN",
    "NODE_AUTH_TOKEN",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
];

/// The npm beside a Node.
pub(super) struct Npm {
    program: PathBuf,
    /// The folder of the Node that is to run it.
    node_folder: Option<PathBuf>,
}

impl Npm {
    pub(super) fn find(node: &Node) -> Result<Self, HostError> {
        let node_folder = node.program.parent().map(Path::to_path_buf);
        let beside = node_folder.as_ref().map(|folder| folder.join("npm"));
        let beside = beside.and_then(|npm| find_program(&npm).ok());
        let program = match beside {
            Some(npm) => npm,
            None => find_program(Path::new("npm")).map_err(|why| HostError::NpmMissing { why })?,
        };
        Ok(Self {
            program,
            node_folder,
        })
    }

    /// Installs the packages of the lock file in `folder`.
    pub(super) async fn install(
        &self,
        folder: &Path,
        programs: &Programs,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), HostError> {
        let expected = expected_packages();
        let total = expected.len() as u64;
        progress.tell("install", "installing the tools, once", 0, total);
        let run = programs.run(self.launch(folder), INSTALL_WITHIN, cancel);
        let mut run = std::pin::pin!(run);
        let mut ticks = interval(PROGRESS_EVERY);
        let finished = loop {
            tokio::select! {
                finished = &mut run => break finished,
                _ = ticks.tick() => {
                    let done = expected.iter().filter(|name| is_placed(folder, name)).count() as u64;
                    progress.tell("install", format!("{done} of {total} packages"), done, total);
                }
            }
        };
        let finished = finished.map_err(|why| HostError::of_io("npm", &why))?;
        judge(&finished)?;
        match expected.iter().find(|name| !is_placed(folder, name)) {
            Some(missing) => Err(HostError::InstallFailed {
                why: format!("npm said that it is done, and left out {missing}"),
            }),
            None => {
                progress.tell("install", "the tools are installed", total, total);
                Ok(())
            }
        }
    }

    fn launch(&self, folder: &Path) -> Launch {
        let mut args: Vec<String> = PRIVATE_UMASK.map(str::to_owned).to_vec();
        args.push(self.program.display().to_string());
        args.extend(ARGUMENTS.map(str::to_owned));
        Launch {
            file: "/bin/sh".into(),
            args,
            folder: folder.to_path_buf(),
            env: self.env(),
            work_id: "npm-ci".to_owned(),
        }
    }

    /// The user's own settings of npm, which may stand in variables, and the Node that was found first on the `PATH`.
    fn env(&self) -> Vec<(OsString, OsString)> {
        let is_setting = |name: &OsString| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            name.starts_with("npm_config_")
        };
        let settings = std::env::vars_os().filter(|(name, _)| is_setting(name));
        let mut env: Vec<_> = inherited_env(VARIABLES).chain(settings).collect();
        for (name, value) in &mut env {
            if *name == "PATH" {
                let rest = std::env::split_paths(value).collect::<Vec<_>>();
                let folders = self.node_folder.iter().cloned().chain(rest);
                if let Ok(joined) = std::env::join_paths(folders) {
                    *value = joined;
                }
            }
        }
        env
    }
}

fn is_placed(folder: &Path, name: &str) -> bool {
    let package = folder.join("node_modules").join(name).join("package.json");
    package.is_file()
}

/// What npm's end means.
fn judge(finished: &Finished) -> Result<(), HostError> {
    match finished.end {
        ExitCause::Exited(status) if status.success() => check_unpacked(&finished.stderr),
        ExitCause::Stopped => Err(HostError::Cancelled),
        ExitCause::TimedOut => Err(HostError::InstallTimedOut {
            limit: INSTALL_WITHIN,
        }),
        ExitCause::Exited(_) | ExitCause::Lingered => Err(match finished.ended_by() {
            Some(why) => HostError::InstallFailed {
                why: format!("npm: {why}"),
            },
            None => failure(&finished.stderr),
        }),
    }
}

/// Files that could not be written are but warnings to npm 11: the packages are cut short, and it exits with 0.
fn check_unpacked(stderr: &str) -> Result<(), HostError> {
    let Some((_, said)) = stderr.split_once("TAR_ENTRY_ERROR") else {
        return Ok(());
    };
    let why = first_line(said, 400);
    Err(if why.starts_with("ENOSPC") || why.starts_with("EDQUOT") {
        HostError::DiskFull { why }
    } else {
        HostError::InstallFailed { why }
    })
}

/// What npm says, by its error code: a line `npm error code ENOTFOUND`.
fn failure(stderr: &str) -> HostError {
    fn of_npm(line: &str) -> Option<&str> {
        // npm 9 and older say it the second way.
        line.strip_prefix("npm error ")
            .or_else(|| line.strip_prefix("npm ERR! "))
    }
    let said: Vec<&str> = stderr.lines().filter_map(of_npm).collect();
    let code = said.iter().find_map(|line| line.strip_prefix("code "));
    let is_reason = |line: &&&str| {
        let is_code = ["code ", "errno ", "syscall "]
            .iter()
            .any(|it| line.starts_with(it));
        !is_code && !line.trim().is_empty() && !line.starts_with("A complete log")
    };
    let reason = said.iter().find(is_reason).copied().unwrap_or(stderr);
    let reason = first_line(reason, 400);
    let why = match code {
        Some(code) if !reason.contains(code) => format!("{code}: {reason}"),
        _ if reason.is_empty() => "npm failed and said nothing".to_owned(),
        _ => reason,
    };
    match code.unwrap_or_default() {
        "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "ETIMEDOUT" | "ENETUNREACH"
        | "EHOSTUNREACH" | "ENOTCACHED" | "ERR_SOCKET_TIMEOUT" | "EPIPE" | "FETCH_ERROR"
        | "EIDLETIMEOUT" => HostError::Offline { why },
        "ENOSPC" | "EDQUOT" => HostError::DiskFull { why },
        _ => HostError::InstallFailed { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npm_says_decides_what_a_caller_can_do() {
        let offline = "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error errno ENOTFOUND\n\
             npm error network request to https://example.test/eslint failed, reason: getaddrinfo ENOTFOUND example.test\n";
        let HostError::Offline { why } = failure(offline) else {
            panic!("{:?}", failure(offline));
        };
        assert!(why.starts_with("network request to"), "{why}");
        let full = "npm error code ENOSPC\nnpm error syscall write\nnpm error errno -28\nnpm error nospc ENOSPC: no space left on device, write\n";
        assert!(matches!(failure(full), HostError::DiskFull { .. }));
        let refused = "npm error code E401\nnpm error Incorrect or missing password.\n";
        let HostError::InstallFailed { why } = failure(refused) else {
            panic!("{:?}", failure(refused));
        };
        assert_eq!(why, "E401: Incorrect or missing password.");
        let silent = HostError::InstallFailed {
            why: "npm failed and said nothing".to_owned(),
        };
        assert_eq!(failure(""), silent);
    }

    #[test]
    fn packages_that_were_cut_short_are_no_success() {
        let warned = "npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write\n";
        let full = HostError::DiskFull {
            why: "ENOSPC: no space left on device, write".to_owned(),
        };
        assert_eq!(check_unpacked(&warned.repeat(2)), Err(full));
        let other =
            check_unpacked("npm warn tar TAR_ENTRY_ERROR EACCES: permission denied, open\n");
        assert!(
            matches!(other, Err(HostError::InstallFailed { .. })),
            "{other:?}"
        );
        assert_eq!(check_unpacked("npm warn deprecated x@1: old\n"), Ok(()));
    }

    #[test]
    fn the_lock_names_what_must_be_there_on_every_platform() {
        let expected = expected_packages();
        for name in [
            "eslint",
            "@eslint/js",
            "typescript",
            "typescript-7",
            "jscodeshift",
        ] {
            assert!(expected.iter().any(|it| it == name), "{name}");
        }
        assert!(!expected.iter().any(|it| it.starts_with("@oxlint/binding")));
        assert!(!expected.iter().any(|it| it.contains("node_modules")));
    }
}
