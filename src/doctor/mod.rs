//! `shim doctor`: everything that can be wrong on a machine, each finding with its remedy. A check changes nothing;
//! `--fix` mends first,
//! `--new-redis` sets aside.

mod access;
mod bounds;
mod check;
mod clients;
mod evolutions;
mod fix;
mod hooks;
mod machine;
mod node;
mod redis_trial;
mod services;
mod stack;
mod storage;
mod store_sizes;

use std::io::{self, Write};
use std::process::ExitCode;

use shim_runtime::config::ConfigErrors;
use shim_runtime::stack::StackState;

use self::check::{Check, Verdict};
use crate::config::{self, Config};
use crate::error::CliError;
use crate::global_flags::GlobalFlags;
use crate::output::json;

/// How to print the findings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if nothing failed (warnings are no failures), 1 otherwise.")]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long, conflicts_with = "fix")]
    json: bool,
    /// First mend files of the stack's Redis that keep it from starting; they are kept as they were, too
    #[arg(long)]
    fix: bool,
    /// First set the files of a Redis that cannot start aside, and begin without their data
    #[arg(long, conflicts_with_all = ["fix", "json"])]
    new_redis: bool,
}

/// Checks everything. A configuration that does not load is the first finding and ends only the checks that need it.
pub(crate) async fn run(
    args: &Args,
    global: &GlobalFlags,
    loaded: Result<Config, ConfigErrors>,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    if let Ok(config) = &loaded {
        mend(args, config, out).await?;
    }
    let mut checks = vec![configuration(global, &loaded)];
    checks.extend(machine::check());
    if let Ok(config) = &loaded {
        checks.extend(configured(config).await);
    }
    let data_dir = loaded.as_ref().ok().map(Config::data_dir);
    checks.extend(clients::check(data_dir));
    if args.json {
        json::write_value(out, &checks)?;
    } else {
        print(&checks, out)?;
    }
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What is asked for beside the checks, before they begin.
async fn mend(args: &Args, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    if args.fix || args.new_redis {
        config.runtime.admit_whole_data_dir()?;
    }
    if args.fix {
        fix::run(config, out).await?;
        writeln!(out)?;
    }
    if args.new_redis {
        fix::begin_anew(config, out).await?;
        writeln!(out)?;
    }
    Ok(())
}

/// The checks that need a configuration.
async fn configured(config: &Config) -> Vec<Check> {
    let mut checks = access::check(config);
    match config.runtime.admit_whole_data_dir() {
        Ok(coverage) => {
            checks.extend(storage::not_looked_at(&coverage));
            let of_stack = stack::check(config).await;
            let is_replaced = of_stack.iter().any(stack::says_replaced);
            checks.extend(storage::check(config, is_replaced));
            let is_served = !matches!(config.stack().state(), StackState::Stopped);
            checks.extend(evolutions::check(config.data_dir(), is_served));
            checks.extend(hooks::check(config.data_dir(), is_served));
            let worker = &config.worker;
            checks.extend(storage::artifacts(&worker.artifacts, worker.max_artifacts));
            checks.extend(of_stack);
        }
        // What somebody else put there is not looked at.
        Err(why) => checks.push(storage::untrusted(&why)),
    }
    checks.extend(services::executors(config));
    checks.push(node::check(config));
    checks
}

fn configuration(global: &GlobalFlags, loaded: &Result<Config, ConfigErrors>) -> Check {
    match loaded {
        Ok(config) => match &config.runtime.file {
            Some(file) => Check::ok("configuration", format!("{} is valid", file.display())),
            None => Check::ok(
                "configuration",
                "no file; defaults, environment and flags are valid",
            ),
        },
        Err(errors) => {
            let source = config::file(global).map_or_else(
                || "the environment".to_owned(),
                |file| file.display().to_string(),
            );
            Check::fail(
                "configuration",
                errors.0.join("; "),
                format!("correct {source}; no command works until then"),
            )
        }
    }
}

fn print(checks: &[Check], out: &mut dyn Write) -> io::Result<()> {
    for Check {
        name,
        verdict,
        detail,
        remedy,
    } in checks
    {
        writeln!(out, "{verdict:<5} {name:<16} {detail}")?;
        if let Some(remedy) = remedy {
            writeln!(out, "{:<22} -> {remedy}", "")?;
        }
    }
    let number = |verdict| {
        checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    writeln!(out)?;
    writeln!(
        out,
        "{} ok, {} warnings, {} failed",
        number(Verdict::Ok),
        number(Verdict::Warn),
        number(Verdict::Fail)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::printed;

    #[test]
    fn findings_are_printed_with_their_remedies() {
        let checks = [
            Check::ok(
                "configuration",
                "no file; defaults, environment and flags are valid",
            ),
            Check::warn("git", "not found", "install git"),
            Check::fail("database", "damaged: page 3", "restart the stack"),
        ];
        let json = serde_json::to_string_pretty(&checks).unwrap_or_default();
        let text = printed(|out| print(&checks, out));
        insta::assert_snapshot!("findings", format!("{text}\n--json\n{json}"));
    }
}
