//! `shim files check`: whether another holder leases any of the files.
//!
//! A hook must not stop a commit because the service is away: the check then warns and passes, unless --strict is given.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, ListFilesRequest, ListFilesResponse};
use shim_proto::limits::MAX_LIST;
use shim_render::figures::count;
use shim_render::text::{name, one_line, title};
use shim_runtime::git;
use tonic::{Code, Status};

use super::client::{FilesClient, WorkspaceArgs};
use super::staged;
use crate::config::Config;
use crate::connection::{self, call, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::say;
use crate::output::time::ago;
use crate::workspace_args::CurrentWorkspace;

/// Up to so many paths are matched to their leases, a call each; of more paths only the leases are printed.
const MATCHED_PATHS: usize = 500;
/// More than these would hide the rest of the hook's output.
const SHOWN: usize = 20;

/// What to check.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 if nobody else holds any of them, 1 if somebody does. If the service cannot be reached, 0 with a warning, or \
1 with --strict.")]
pub(crate) struct Args {
    /// Files or patterns
    #[arg(required_unless_present = "staged", value_name = "PATH")]
    paths: Vec<String>,
    /// The files staged for the next commit
    #[arg(long)]
    staged: bool,
    /// Whose leases do not count: your own
    #[arg(
        long,
        value_name = "HOLDER",
        env = "SHIM_HOLDER",
        default_value = "",
        hide_default_value = true
    )]
    holder: String,
    #[command(flatten)]
    workspace: WorkspaceArgs,
    /// Fail if the service cannot be reached
    #[arg(long)]
    strict: bool,
    /// Print canonical proto JSON (a ListFilesResponse with the leases in the way)
    #[arg(long)]
    json: bool,
}

/// Why the leases are not known.
enum CheckError {
    /// The service is away.
    Unavailable(CliError),
    /// The service refused the request.
    Wrong(CliError),
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let current = CurrentWorkspace::find(args.workspace.workspace.as_deref(), config)?;
    let paths = files(args, &current).await?;
    if paths.is_empty() {
        return report(args, Vec::new(), 0, out);
    }
    let leases = match find_conflicts(args, config, current, &paths).await {
        Ok(leases) => leases,
        Err(CheckError::Wrong(failure)) => return Err(failure),
        Err(CheckError::Unavailable(failure)) if args.strict => return Err(failure),
        Err(CheckError::Unavailable(failure)) => {
            say::line(format_args!(
                "warning: leases on files were not checked: {failure}"
            ));
            return Ok(ExitCode::SUCCESS);
        }
    };
    let names: BTreeSet<_> = paths.iter().map(|path| &path.name).collect();
    report(args, leases, names.len(), out)
}

/// A file or pattern to check.
struct CheckedPath {
    /// As people read it, relative to the workspace's root.
    name: String,
    pattern: String,
}

/// What to check. What is not there may be a pattern, or the name of a file that was deleted or is still to be made: both
/// are checked.
async fn files(args: &Args, current: &CurrentWorkspace) -> Result<Vec<CheckedPath>, CliError> {
    let mut paths = Vec::new();
    for typed in &args.paths {
        let pattern = current.pattern(&current.folder, typed)?;
        let name = current.relative(typed)?;
        let literal = current.literal_pattern(&name);
        if literal != pattern {
            let name = name.clone();
            paths.push(CheckedPath { name, pattern });
        }
        let pattern = literal;
        paths.push(CheckedPath { name, pattern });
    }
    if args.staged {
        let index = git::index_of_hook();
        let staged = staged::paths(&current.workspace.root, index.as_deref()).await?;
        for name in staged {
            // A link is committed itself; what it leads to may be leased under its own name.
            let patterns = [
                Some(current.literal_pattern(&name)),
                current.linked_pattern(&name),
            ];
            paths.extend(patterns.into_iter().flatten().map(|pattern| CheckedPath {
                name: name.clone(),
                pattern,
            }));
        }
    }
    Ok(paths)
}

/// A lease of another holder, with the paths it covers as far as they were matched.
pub(super) type LeaseConflict = (FileLease, Vec<String>);

async fn find_conflicts(
    args: &Args,
    config: &Config,
    current: CurrentWorkspace,
    paths: &[CheckedPath],
) -> Result<Vec<LeaseConflict>, CheckError> {
    let service = connection::coordination(config)
        .await
        .map_err(CheckError::Unavailable)?;
    let mut client = FilesClient { service, current };
    let mut found: BTreeMap<String, LeaseConflict> = BTreeMap::new();
    for some in paths.chunks(MAX_LIST) {
        for lease in leases_on(&mut client, &args.holder, some).await? {
            found.insert(lease.lease_id.clone(), (lease, Vec::new()));
        }
    }
    if !found.is_empty() && paths.len() <= MATCHED_PATHS {
        for path in paths {
            for lease in leases_on(&mut client, &args.holder, std::slice::from_ref(path)).await? {
                let (_, covered) = found
                    .entry(lease.lease_id.clone())
                    .or_insert((lease, Vec::new()));
                if covered.last() != Some(&path.name) {
                    covered.push(path.name.clone());
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

async fn leases_on(
    client: &mut FilesClient,
    holder: &str,
    paths: &[CheckedPath],
) -> Result<Vec<FileLease>, CheckError> {
    let list = ListFilesRequest {
        workspace: client.workspace(),
        paths: paths.iter().map(|path| path.pattern.clone()).collect(),
        holder: String::new(),
        except_holder: holder.to_owned(),
    };
    let listed = call(client.service.locks.list_files(request(list))).await;
    Ok(listed.map_err(check_error)?.leases)
}

fn check_error(status: Status) -> CheckError {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
            CheckError::Unavailable(status.into())
        }
        _ => CheckError::Wrong(status.into()),
    }
}

fn report(
    args: &Args,
    leases: Vec<LeaseConflict>,
    checked: usize,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let free = leases.is_empty();
    if args.json {
        let leases = leases.into_iter().map(|(lease, _)| lease).collect();
        json::write_line(out, &ListFilesResponse { leases })?;
    } else if free && !args.staged {
        // A hook without a conflict prints nothing.
        let files = count(checked as u64, "file");
        writeln!(out, "{files} checked: nobody else holds any")?;
    } else if !free {
        print(&leases, out)?;
    }
    Ok(if free {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(super) fn print(leases: &[LeaseConflict], out: &mut dyn Write) -> std::io::Result<()> {
    for (lease, covered) in leases {
        let purpose = match one_line(&lease.purpose, 200) {
            purpose if purpose.is_empty() => String::new(),
            purpose => format!(" for \"{purpose}\""),
        };
        writeln!(
            out,
            "{} holds {}{purpose}; the lease goes {}",
            title(&lease.holder, 200),
            one_line(&lease.patterns.join(" "), 500),
            ago(lease.expires_at.as_ref())
        )?;
        for path in covered.iter().take(SHOWN) {
            writeln!(out, "  - {}", name(path, 4_096))?;
        }
        if covered.len() > SHOWN {
            writeln!(out, "  and {} more", covered.len() - SHOWN)?;
        }
    }
    writeln!(out)?;
    writeln!(
        out,
        "Wait for them, or ask: shim messages send --session ID \"...\". Your own leases pass with --holder NAME."
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_in_the_way_is_told_with_its_holder_and_purpose() {
        let lease = FileLease {
            holder: "window 2".into(),
            purpose: "new\u{1b}[2J index".into(),
            patterns: vec!["src/store/**".into(), "Cargo.toml".into()],
            ..FileLease::default()
        };
        let covered: Vec<String> = (0..22).map(|n| format!("src/store/{n}.rs")).collect();
        let mut text = Vec::new();
        print(&[(lease, covered)], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let first = r#""window 2" holds src/store/** Cargo.toml for "new\u{1b}[2J index"; the lease goes -"#;
        assert!(text.starts_with(first), "{text}");
        assert!(
            text.contains("\n  - src/store/19.rs\n  and 2 more\n"),
            "{text}"
        );
    }

    #[test]
    fn a_service_that_is_away_is_told_from_a_wrong_question() {
        let away = |status| matches!(check_error(status), CheckError::Unavailable(_));
        assert!(away(Status::unavailable("gone")));
        assert!(away(Status::deadline_exceeded("slow")));
        assert!(!away(Status::invalid_argument("paths")));
        assert!(!away(Status::unauthenticated("token")));
    }
}
