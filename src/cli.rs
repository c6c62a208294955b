//! The command line: the global flags, the subcommands, and the file that runs each.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::block_on::block_on;
use crate::config::Config;
use crate::empty_options;
use crate::error::CliError;
use crate::global_flags::GlobalFlags;
use crate::{
    analyze, checkpoint, coordination, demo, doctor, down, evolution, evolve, files, gateway,
    generate_tests, healthcheck, hold, hook, install, locks, messages, patterns, service, sessions,
    state, status, statusline, tasks, up, worker, workers,
};

/// Keeps Claude sessions alive, and lets many of them work as one team: saves what a session knows, brings it back when
/// it dies, and shares jobs, state, locks, files and messages between windows.
#[derive(Debug, Parser)]
#[command(name = "shim", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalFlags,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  shim install claude-code     connect Claude Code
  shim up --detach             start the local stack in the background
  shim sessions list           what was saved
  shim tasks submit GOAL       give a job to whoever can do it
  shim workers list            who works
  shim files list              who holds which files
  shim analyze .               what would help a project most
  shim evolve .                propose safe changes of it
  shim demo                    see sessions killed and brought back, and a job shared
  shim doctor                  find out what is wrong

Every setting has a key in shim.toml, an environment name (SHIM_DATA_DIR) and, where it is common, a flag.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the local stack: all services in one process
    Up(up::args::Args),
    /// Stop the local stack
    Down,
    /// Stop the local stack, run a command while none can start, and start it again
    Hold(hold::Args),
    /// Look at the local stack
    Status(status::Args),
    /// Be the MCP server for Claude
    Gateway(gateway::Args),
    /// Run the checkpoint service alone
    #[command(after_help = "The service's port is 50051.")]
    Checkpoint(service::Args),
    /// Run the coordination service alone, over the Redis of redis_url
    #[command(
        after_help = "The service's port is 50052. `shim up` runs it with a Redis of its own."
    )]
    Coordination(service::Args),
    /// Run the worker service alone: workers of this machine, and tasks for Claude windows
    Worker(worker::Args),
    /// Run the evolution service alone: analyses, evolutions and generated tests
    #[command(
        after_help = "The service's port is 50054. `shim up` runs it with the other services."
    )]
    Evolution(service::Args),
    /// Look after sessions and their checkpoints
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Give jobs to workers, watch them, and gather their results
    #[command(subcommand)]
    Tasks(tasks::Command),
    /// See who can work, how loaded each is, and who died
    #[command(subcommand)]
    Workers(workers::Command),
    /// See who holds which lock, and free one whose holder is lost
    #[command(subcommand)]
    Locks(locks::Command),
    /// Lease files, and check that nobody else holds those you commit
    #[command(subcommand)]
    Files(files::Command),
    /// Read and write the state a project's windows share
    #[command(subcommand)]
    State(state::Command),
    /// Write to sessions and workers, and read what they were sent
    #[command(subcommand)]
    Messages(messages::Command),
    /// See what a project is like, and what would help it most
    Analyze(analyze::Args),
    /// Change a project's code safely: propose, look, approve, revert
    Evolve(evolve::Args),
    /// Make tests for exported functions, and keep those that hold
    GenerateTests(generate_tests::Args),
    /// See what became of evolutions, and how sure the next ones are by it
    Patterns(patterns::Args),
    /// Say whether a project's own code may run
    Trust(evolve::trust::Args),
    /// Ask a server once whether it serves; exit code 0 or 1
    Healthcheck(healthcheck::Args),
    /// Tell what happens in a Claude Code session, and what is to be said about it
    Hook(hook::Args),
    /// Print Claude Code's status line, and tell the stack its figures
    Statusline(statusline::Args),
    /// Connect a Claude client
    Install(install::Args),
    /// Take SHIM out of a Claude client again
    Uninstall(install::UninstallArgs),
    /// Check everything that could be wrong and say the remedy
    Doctor(doctor::Args),
    /// Watch a session being saved, killed and brought back, and a team that loses a worker
    Demo(demo::Args),
}

impl Command {
    /// Whether the data folder is looked at before anything else. A gateway and the coordination service may do without
    /// one and look when they need it, the doctor tells what it finds there, and a hook fails at nothing.
    fn uses_data_dir(&self) -> bool {
        !matches!(
            self,
            Self::Gateway(_)
                | Self::Coordination(_)
                | Self::Install(_)
                | Self::Uninstall(_)
                | Self::Doctor(_)
                | Self::Hook(_)
                | Self::Statusline(_)
        )
    }

    /// The subcommand's flags that are settings.
    fn settings(&self) -> Vec<(String, String)> {
        let (listen, start) = match self {
            Self::Up(args) => (args.listen.clone(), Vec::new()),
            Self::Checkpoint(args) | Self::Coordination(args) | Self::Evolution(args) => {
                (args.listen.clone(), Vec::new())
            }
            Self::Worker(args) => (args.service.listen.clone(), args.start()),
            _ => (None, Vec::new()),
        };
        let listen = listen.map(|address| ("listen".to_owned(), address));
        let start = (!start.is_empty()).then(|| ("worker.start".to_owned(), start.join(",")));
        listen.into_iter().chain(start).collect()
    }
}

impl Cli {
    /// Reads the words of a command line.
    ///
    /// # Errors
    /// If they are no command, or one of its options has an empty text.
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = empty_options::refused_in(Self::command());
        let mut found = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches_mut(&mut found).map_err(|fault| fault.format(&mut command))
    }

    /// Runs the subcommand.
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<ExitCode, CliError> {
        let loaded = Config::load(&self.global, self.command.settings());
        if let (true, Ok(config)) = (self.command.uses_data_dir(), &loaded) {
            config.runtime.admit_data_dir()?;
        }
        match self.command {
            Command::Up(args) => up::run(&args, loaded?, out),
            Command::Down => block_on(down::run(&loaded?, out)),
            Command::Hold(args) => block_on(hold::run(&args, &loaded?, out)),
            Command::Status(args) => block_on(status::run(&args, &loaded?, out)),
            Command::Gateway(args) => gateway::run(&args, loaded?),
            Command::Checkpoint(args) => checkpoint::run(&args, loaded?),
            Command::Coordination(args) => coordination::run(&args, loaded?),
            Command::Worker(args) => worker::run(&args, loaded?),
            Command::Evolution(args) => evolution::run(&args, loaded?),
            Command::Sessions(command) => block_on(sessions::run(command, &loaded?, out)),
            Command::Tasks(command) => block_on(tasks::run(command, &loaded?, out)),
            Command::Workers(command) => block_on(workers::run(command, &loaded?, out)),
            Command::Locks(command) => block_on(locks::run(command, &loaded?, out)),
            Command::Files(command) => block_on(files::run(command, &loaded?, out)),
            Command::State(command) => block_on(state::run(command, &loaded?, out)),
            Command::Messages(command) => block_on(messages::run(command, &loaded?, out)),
            Command::Analyze(args) => block_on(analyze::run(args, &loaded?, out)),
            Command::Evolve(args) => block_on(evolve::run(args, &loaded?, out)),
            Command::GenerateTests(args) => block_on(generate_tests::run(args, &loaded?, out)),
            Command::Patterns(args) => block_on(patterns::run(args, &loaded?, out)),
            Command::Trust(args) => block_on(evolve::trust::run(&args, &loaded?, out)),
            Command::Healthcheck(args) => block_on(healthcheck::run(&args, &loaded?, out)),
            Command::Statusline(args) => Ok(statusline::run(&args, || loaded, out)),
            Command::Hook(hook::Args {}) => Ok(hook::run(|| loaded)),
            Command::Install(args) => install::run(&args, &loaded?, out),
            Command::Uninstall(args) => install::uninstall(&args, out),
            Command::Doctor(args) => block_on(doctor::run(&args, &self.global, loaded, out)),
            Command::Demo(args) => block_on(demo::run(&args, &loaded?, out)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::error::ErrorKind;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_option_with_an_empty_text_is_not_taken_as_left_out() {
        let read = |line: &[&str]| Cli::read(line.iter().map(OsString::from)).map(drop);
        for line in [
            &["shim", "tasks", "submit", "x", "--schedule", ""][..],
            &["shim", "tasks", "submit", "x", "--kind="],
            &["shim", "files", "list", "--holder", ""],
            &["shim", "state", "clear", "--prefix", "", "--force"],
            &["shim", "sessions", "list", "--project", ""],
        ] {
            let refused = read(line).unwrap_err().to_string();
            assert!(
                refused.contains("is empty: give one, or leave"),
                "{refused}"
            );
        }
        read(&["shim", "tasks", "submit", "x"]).unwrap();
        read(&["shim", "tasks", "submit", "x", "--schedule", "0 3 * * *"]).unwrap();
    }

    #[test]
    fn the_help_texts_are_as_documented() {
        let mut cli = Cli::command();
        cli.build();
        insta::assert_snapshot!("help_shim", cli.render_long_help().to_string());
        for command in cli.get_subcommands_mut() {
            let name = command.get_name().to_owned();
            if name != "help" {
                insta::assert_snapshot!(format!("help_{name}"), help(&name, command));
            }
        }
    }

    /// Whatever the program prints as a command to run is one: in hints and remedies, of the tools and the services, too.
    #[test]
    fn every_command_that_is_printed_is_a_command() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for folder in ["src", "gateway/src", "services", "crates"] {
            collect(&root.join(folder), &mut files);
        }
        let mut checked = 0;
        for file in &files {
            let source = std::fs::read_to_string(file).unwrap();
            for command in printed_commands(&source) {
                checked += 1;
                let words = command.split_ascii_whitespace();
                let parsed = Cli::try_parse_from(words);
                // A group of subcommands without one prints its help, which is an answer.
                let is_command = parsed.as_ref().err().is_none_or(|error| {
                    matches!(
                        error.kind(),
                        ErrorKind::DisplayHelp
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    )
                });
                assert!(is_command, "{}: `{command}`", file.display());
            }
        }
        assert!(checked > 40, "only {checked} commands were found");
    }

    fn collect(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }

    /// What stands between backticks behind `shim ` outside of comments, with samples for what is filled in.
    fn printed_commands(source: &str) -> Vec<String> {
        let lines = source.lines().map(str::trim_start);
        let code: String = lines
            .filter(|line| !line.starts_with("//"))
            .map(|line| line.strip_suffix('\\').unwrap_or(line).to_owned() + " ")
            .collect();
        // Put together, or this line would be found, too.
        let mark = format!("{}shim ", '`');
        let begun = code.split(&mark).skip(1);
        let quoted = begun.filter_map(|rest| rest.split_once('`'));
        quoted
            .filter(|(command, _)| command.len() < 200)
            .flat_map(|(command, _)| command.split("&&").map(sample).collect::<Vec<_>>())
            .collect()
    }

    /// A command with its placeholders filled in. Flags that are filled in stand without a space before them.
    fn sample(command: &str) -> String {
        let mut filled = String::new();
        let mut rest = command;
        while let Some((before, behind)) = rest.split_once('{') {
            filled += before;
            let (_, behind) = behind.split_once('}').unwrap_or(("", behind));
            if filled.is_empty() || filled.ends_with([' ', ':', '/']) {
                filled += "9a0b1c2d";
            }
            rest = behind;
        }
        filled += rest;
        let words = filled.trim().trim_start_matches("shim ");
        let words = words.split(' ').map(|word| match word {
            "KEY" | "TASK" | "SESSION" => "9a0b1c2d",
            word => word,
        });
        format!("shim {}", words.collect::<Vec<_>>().join(" "))
    }

    /// The help of a command and of all below it.
    fn help(path: &str, command: &mut clap::Command) -> String {
        let mut text = format!("$ shim {path} --help\n{}\n", command.render_long_help());
        for below in command.get_subcommands_mut() {
            if below.get_name() != "help" {
                let path = format!("{path} {}", below.get_name());
                text += &help(&path, below);
            }
        }
        text
    }
}
