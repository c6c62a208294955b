//! `shim files check`: whether any of the files is leased by somebody else.
//!
//! A hook must not keep people from working when the service is away: then it warns and passes, unless told not to.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, ListFilesRequest, ListFilesResponse};
use tonic::{Code, Status};

use super::{Site, Workspace, staged};
use crate::caller::Here;
use crate::config::Config;
use crate::connection::{self, request};
use crate::failure::Failure;
use crate::output::json;
use crate::output::text::{count, one_line};
use crate::output::time::ago;

/// The contract's limit on the paths of one question.
const PATHS_PER_CALL: usize = 1_000;
/// So many paths are matched to their leases; a larger commit is told by its leases.
const MATCHED_PATHS: usize = 500;
/// More than these would hide the rest of the hook's output.
const SHOWN: usize = 20;

/// What to check.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 if nobody else holds any of them, 1 if somebody does. If the service cannot be reached, 0 with a warning, or \
1 with --strict.")]
pub(crate) struct Args {
    /// Files
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
    workspace: Workspace,
    /// Fail if the service cannot be reached
    #[arg(long)]
    strict: bool,
    /// Print canonical proto JSON (a ListFilesResponse with the leases in the way)
    #[arg(long)]
    json: bool,
}

/// Why the leases are not known.
enum Trouble {
    /// The service is away.
    Away(Failure),
    /// It answered that the question is wrong, or the question could not be made.
    Wrong(Failure),
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let here = Here::find(args.workspace.workspace.as_deref(), config)?;
    let paths = files(args, &here).await?;
    if paths.is_empty() {
        return report(args, Vec::new(), 0, out);
    }
    let leases = match in_the_way(args, config, here, &paths).await {
        Ok(leases) => leases,
        Err(Trouble::Wrong(failure)) => return Err(failure),
        Err(Trouble::Away(failure)) if args.strict => return Err(failure),
        Err(Trouble::Away(failure)) => {
            eprintln!("warning: leases on files were not checked: {failure}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    report(args, leases, paths.len(), out)
}

/// The files to check, relative to the workspace's root.
async fn files(args: &Args, here: &Here) -> Result<Vec<String>, Failure> {
    let typed = args.paths.iter().map(|path| here.relative(path));
    let mut paths = typed.collect::<Result<Vec<_>, _>>()?;
    if args.staged {
        paths.extend(staged::paths(&here.workspace.root).await?);
    }
    Ok(paths)
}

/// A lease of somebody else, with the paths it covers as far as they were matched.
type InTheWay = (FileLease, Vec<String>);

async fn in_the_way(
    args: &Args,
    config: &Config,
    here: Here,
    paths: &[String],
) -> Result<Vec<InTheWay>, Trouble> {
    let service = connection::coordination(config)
        .await
        .map_err(Trouble::Away)?;
    let mut site = Site { service, here };
    let mut found: BTreeMap<String, InTheWay> = BTreeMap::new();
    for some in paths.chunks(PATHS_PER_CALL) {
        for lease in touching(&mut site, &args.holder, some).await? {
            found.insert(lease.lease_id.clone(), (lease, Vec::new()));
        }
    }
    if !found.is_empty() && paths.len() <= MATCHED_PATHS {
        for path in paths {
            for lease in touching(&mut site, &args.holder, std::slice::from_ref(path)).await? {
                let (_, covered) = found
                    .entry(lease.lease_id.clone())
                    .or_insert((lease, Vec::new()));
                covered.push(path.clone());
            }
        }
    }
    Ok(found.into_values().collect())
}

async fn touching(
    site: &mut Site,
    holder: &str,
    paths: &[String],
) -> Result<Vec<FileLease>, Trouble> {
    let list = ListFilesRequest {
        workspace: site.workspace(),
        paths: paths.iter().map(|path| site.here.literally(path)).collect(),
        holder: String::new(),
        except_holder: holder.to_owned(),
    };
    let listed = site.service.locks.list_files(request(list)).await;
    Ok(listed.map_err(trouble)?.into_inner().leases)
}

fn trouble(status: Status) -> Trouble {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
            Trouble::Away(status.into())
        }
        _ => Trouble::Wrong(status.into()),
    }
}

fn report(
    args: &Args,
    leases: Vec<InTheWay>,
    checked: usize,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let free = leases.is_empty();
    if args.json {
        let leases = leases.into_iter().map(|(lease, _)| lease).collect();
        json::write_line(out, &ListFilesResponse { leases })?;
    } else if free && !args.staged {
        // A hook that has nothing to object says nothing.
        let files = count(u64::try_from(checked).unwrap_or(u64::MAX), "file");
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

fn print(leases: &[InTheWay], out: &mut dyn Write) -> std::io::Result<()> {
    for (lease, covered) in leases {
        let purpose = match one_line(&lease.purpose, 200) {
            purpose if purpose.is_empty() => String::new(),
            purpose => format!(" for \"{purpose}\""),
        };
        writeln!(
            out,
            "{} holds {}{purpose}; the lease goes {}",
            one_line(&lease.holder, 200),
            one_line(&lease.patterns.join(" "), 500),
            ago(lease.expires_at.as_ref())
        )?;
        for path in covered.iter().take(SHOWN) {
            writeln!(out, "  {}", one_line(path, 4_096))?;
        }
        if covered.len() > SHOWN {
            writeln!(out, "  and {} more", covered.len() - SHOWN)?;
        }
    }
    writeln!(
        out,
        "\nWait for them, or ask: shim messages send --session ID \"...\". Your own leases pass with --holder NAME."
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
        let first =
            r#"window 2 holds src/store/** Cargo.toml for "new[2J index"; the lease goes -"#;
        assert!(text.starts_with(first), "{text}");
        assert!(
            text.contains("\n  src/store/19.rs\n  and 2 more\n"),
            "{text}"
        );
    }

    #[test]
    fn a_service_that_is_away_is_told_from_a_wrong_question() {
        let away = |status| matches!(trouble(status), Trouble::Away(_));
        assert!(away(Status::unavailable("gone")));
        assert!(away(Status::deadline_exceeded("slow")));
        assert!(!away(Status::invalid_argument("paths")));
        assert!(!away(Status::unauthenticated("token")));
    }
}
