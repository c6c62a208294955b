//! `shim install`: writes the gateway into a Claude client's configuration, and offers the permission for its tools;
//! `shim uninstall` takes both back.
//!
//! The file is changed only where it must be, backed up, replaced in one step, and never touched if it is broken.

mod client;
mod edit;
mod merge;
mod permissions;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::error::CliError;
use crate::output::lines::block;
use crate::program_path::program_path;

pub(crate) use client::Client;
pub(crate) use merge::{ENTRY, SERVERS};

/// Links that one path may lead through, as the kernel has it.
const MAX_LINKS: usize = 40;

/// Which client.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The client to connect
    #[arg(value_enum)]
    client: Client,
    /// Only print the entry and the file it belongs to
    #[arg(long)]
    print: bool,
    /// Claude Code: write ./.mcp.json, for this project only, instead of the user's configuration
    #[arg(long)]
    project: bool,
    #[command(flatten)]
    permissions: permissions::PermissionArgs,
}

/// Which client to take SHIM out of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Sessions and their checkpoints stay where they are.")]
pub(crate) struct UninstallArgs {
    /// The client to disconnect
    #[arg(value_enum)]
    client: Client,
    /// Claude Code: ./.mcp.json of this project instead of the user's configuration
    #[arg(long)]
    project: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim install claude-code                 for all your projects
  shim install claude-code --allow-tools   and allow its tools without being asked for each call
  shim install claude-code --project       for the project in this folder
  shim install claude-desktop --print      only show what would be written";

/// Merges the entry into the client's file.
pub(crate) fn run(args: &Args, config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let path = file(args.client, args.project)?;
    let entry = entry(config)?;
    if args.print {
        let whole = json!({ SERVERS: { ENTRY: entry } });
        let whole = serde_json::to_string_pretty(&whole).map_err(std::io::Error::from)?;
        writeln!(out, "{}", path.display())?;
        block(out, whole)?;
    } else {
        connect(args.client, &path, &entry, out)?;
        if args.client == Client::ClaudeCode {
            offer_permission(args, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes out of the client's file what `install` wrote, and the permission.
pub(crate) fn uninstall(args: &UninstallArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let path = file(args.client, args.project)?;
    let mut changed = edit_file(&path, edit::disconnect, out)?;
    if args.client == Client::ClaudeCode {
        let settings = permissions::file(&args.client.file()?, args.project)?;
        changed |= edit_file(
            &settings,
            |text| edit::disallow(text, permissions::RULE),
            out,
        )?;
    }
    if changed {
        writeln!(
            out,
            "{} is disconnected; it takes effect when it starts anew",
            args.client
        )?;
    } else {
        writeln!(out, "{} is not connected: {}", args.client, path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn offer_permission(args: &Args, out: &mut dyn Write) -> Result<(), CliError> {
    let settings = permissions::file(&args.client.file()?, args.project)?;
    if edit::allows(&read(&settings)?, permissions::RULE) {
        writeln!(
            out,
            "SHIM's tools are allowed already: {}",
            settings.display()
        )?;
    } else if args.permissions.decide(&settings, out)? {
        edit_file(&settings, |text| edit::allow(text, permissions::RULE), out)?;
        writeln!(
            out,
            "SHIM's tools are allowed; `shim uninstall claude-code` takes that back"
        )?;
    }
    Ok(())
}

/// Changes a client's file, if it is there or anything is to be written, and shows how. Answers whether it changed.
fn edit_file(
    path: &Path,
    change: impl Fn(&str) -> Result<String, String>,
    out: &mut dyn Write,
) -> Result<bool, CliError> {
    let before = read(path)?;
    let broken = |what: String| {
        CliError::new(format!("{}: {what}", path.display()))
            .hint("mend the file, or move it away; it was not touched")
    };
    let after = match change(&before) {
        // A file that is not there holds nothing that could be taken out.
        Err(_) if before.is_empty() => return Ok(false),
        after => after.map_err(broken)?,
    };
    if after == before {
        return Ok(false);
    }
    let kept = replace(path, &before, &after)?;
    writeln!(out, "{}", path.display())?;
    block(out, merge::difference(&before, &after))?;
    if let Some(backup) = kept {
        writeln!(out, "the file as it was: {}", backup.display())?;
    }
    Ok(true)
}

/// The client's file, of the user or of the project.
fn file(client: Client, is_project: bool) -> Result<PathBuf, CliError> {
    if !is_project {
        return client.file();
    }
    if client != Client::ClaudeCode {
        return Err(
            CliError::new("only Claude Code has a configuration per project")
                .hint("leave out --project"),
        );
    }
    Ok(std::env::current_dir()?.join(".mcp.json"))
}

/// Writes the entry into the file and prints what changed.
fn connect(
    client: Client,
    path: &Path,
    entry: &Map<String, Value>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let before = read(path)?;
    let after = merge::merge(&before, entry).map_err(|what| {
        CliError::new(format!("{}: {what}", path.display()))
            .hint("mend the file, or move it away; it was not touched")
    })?;
    if after == before {
        writeln!(out, "{client} is connected already: {}", path.display())?;
        return Ok(());
    }
    let kept = replace(path, &before, &after)?;
    writeln!(out, "{}", path.display())?;
    block(out, merge::difference(&before, &after))?;
    if let Some(backup) = kept {
        writeln!(out, "the file as it was: {}", backup.display())?;
    }
    writeln!(out, "{client} is connected; {}", client.next_step())?;
    Ok(())
}

/// What starts the gateway of this very program on the stack that was chosen by flags.
fn entry(config: &Config) -> Result<Map<String, Value>, CliError> {
    let command = program_path()?;
    let command = command
        .to_str()
        .ok_or_else(|| CliError::new("the path of this program is not UTF-8"))?;
    let args: Vec<&str> = config
        .flags
        .iter()
        .map(String::as_str)
        .chain(["gateway"])
        .collect();
    Ok([
        ("command".to_owned(), json!(command)),
        ("args".to_owned(), json!(args)),
    ]
    .into_iter()
    .collect())
}

/// A file that is not there reads as empty.
fn read(path: &Path) -> Result<String, CliError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|e| {
            CliError::from(e).while_doing(format_args!("cannot read {}", path.display()))
        }),
    }
}

/// Backs the file up and puts the new text in its place in one step. A symbolic link stays a link.
fn replace(path: &Path, before: &str, after: &str) -> Result<Option<PathBuf>, CliError> {
    let target = link_target(path)?;
    let folder = target
        .parent()
        .ok_or_else(|| CliError::new("the configuration file has no folder"))?;
    std::fs::create_dir_all(folder)?;
    let mut unfinished = tempfile::NamedTempFile::new_in(folder)?;
    unfinished.write_all(after.as_bytes())?;
    let existed = target.exists();
    let mode = if existed {
        std::fs::metadata(&target)?.permissions().mode()
    } else {
        0o600
    };
    unfinished
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    unfinished.as_file().sync_all()?;
    let backup = existed.then(|| backup_name(&target));
    if let Some(backup) = &backup {
        std::fs::copy(&target, backup)?;
    }
    // The client may have written meanwhile; what it wrote must not be lost.
    if read(&target)? != before {
        return Err(
            CliError::new(format!("{} changed meanwhile", target.display()))
                .hint("close the client and try again"),
        );
    }
    unfinished.persist(&target).map_err(|e| e.error)?;
    Ok(backup)
}

/// The file that a path means: behind all links, also if there is nothing yet.
fn link_target(path: &Path) -> Result<PathBuf, CliError> {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => return Ok(target.canonicalize().unwrap_or(target)),
        }
    }
    let why = format!("{} leads from link to link without an end", path.display());
    Err(CliError::new(why).hint("mend the link, or remove it; nothing was written"))
}

fn backup_name(path: &Path) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-shim-{seconds}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_old_file_is_kept_beside_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let backup = replace(&path, "old", "new").unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(backup).unwrap(), "old");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, "newer").unwrap();
        assert!(replace(&path, "old", "new").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
    }

    #[test]
    fn a_link_to_nothing_stays_a_link_and_its_file_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("second", path("first")).unwrap();
        std::os::unix::fs::symlink("dotfiles/real.json", path("second")).unwrap();
        assert_eq!(read(&path("first")).unwrap(), "");
        assert_eq!(replace(&path("first"), "", "new").unwrap(), None);
        for link in ["first", "second"] {
            assert!(
                path(link).symlink_metadata().unwrap().is_symlink(),
                "{link}"
            );
        }
        assert_eq!(
            std::fs::read_to_string(path("dotfiles/real.json")).unwrap(),
            "new"
        );
        std::os::unix::fs::symlink("round", path("round")).unwrap();
        assert!(replace(&path("round"), "", "new").is_err());
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (
            folder.path().join("real.json"),
            folder.path().join("link.json"),
        );
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
    }
}
