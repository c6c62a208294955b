//! What `shim tasks submit` takes, and the request that it means.

use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use prost_types::Struct;
use shim_proto::coordination::v1::{
    AssignmentStrategy, FailurePolicy, FileHint, MergeStrategy, OverlapPolicy, Requirements,
    SplitPolicy, SubmitTaskRequest, Subtask, WorkerKind,
};
use shim_proto::limits::task::{LAST_PRIORITY, MAX_PAYLOAD_BYTES};

use super::labels::{Executor, Overlap, Strategy};
use super::outcome_args::OutcomeArgs;
use super::subtask_file;
use crate::config::Config;
use crate::connection::request_id;
use crate::error::CliError;
use crate::json_object::parse_object;
use crate::output::time::proto_duration;
use crate::workspace_args::CurrentWorkspace;

/// Where a worker's program finds its task.
const TASK_ID: &str = "SHIM_TASK_ID";

/// On whose behalf a job is submitted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// As it was typed.
    Typed(String),
    /// The task that this process is a program of; the stack here may be another one than that of its worker.
    OfProgram(String),
    Nobody,
}

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What is to be achieved
    goal: String,
    /// The kind of work, in your words
    #[arg(
        long,
        value_name = "KIND",
        default_value = "",
        hide_default_value = true
    )]
    kind: String,
    /// Print canonical proto JSON (a SubmitTaskResponse; with --wait also an AggregateResultsResponse)
    #[arg(long)]
    pub(super) json: bool,
    /// Watch the job until it ends and print its result
    #[arg(long)]
    pub(super) wait: bool,
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    assignment: AssignmentArgs,
    #[command(flatten)]
    timing: TimingArgs,
    #[command(flatten)]
    outcome: OutcomeArgs,
}

const EXAMPLES: &str = "\
Examples:
  shim tasks submit 'port the parser to the new lexer' --file 'src/parser/**' --require rust --wait
  shim tasks submit 'release 1.4' --subtasks plan.json --on-failure continue
  shim tasks submit 'nightly audit' --executor command --schedule '0 3 * * *' --timeout 10m
  shim tasks submit 'delete old accounts' --approve-start --deadline 2h

Subtasks are a JSON list, in the words of the tool shim_coordinate_task or of the contract's Subtask, for example
  [{\"id\": \"parse\", \"goal\": \"...\"}, {\"id\": \"test\", \"goal\": \"...\", \"after\": [\"parse\"]}]
Without them a large job is split by its files or steps. The files of a task are leased to it while it runs. Relative names of
--file start in the folder of the command, those within subtasks in the root of the workspace. A name that is there means
itself, also with [ ] in it; anything else is a pattern.

Exit code with --wait: 0 if the job completed, 1 if it failed or was called off.";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The work")]
struct WorkArgs {
    /// A file or pattern the work is about; may be given again
    #[arg(long, value_name = "PATH")]
    file: Vec<String>,
    /// A step of the work; may be given again
    #[arg(long, value_name = "STEP")]
    step: Vec<String>,
    /// Its parts, as JSON; - reads stdin
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    subtasks: Option<String>,
    /// Never split it
    #[arg(long, conflicts_with = "subtasks")]
    no_split: bool,
    /// What the executor needs to know, a JSON object; - reads stdin
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Workspace of the files [default: the git repository around]
    #[arg(short, long, value_name = "WORKSPACE", value_parser = NonEmptyStringValueParser::new())]
    workspace: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who does it")]
struct AssignmentArgs {
    /// The executor it needs [default: any]
    #[arg(long, value_enum)]
    executor: Option<Executor>,
    /// What the worker must be able to do; may be given again
    #[arg(long, value_name = "CAPABILITY")]
    require: Vec<String>,
    /// Who gets it when several workers wait [default: least-loaded]
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// The session that gets a message when the job ends
    #[arg(long, value_name = "SESSION")]
    notify: Option<String>,
    /// The task on whose behalf it is submitted, and with which it is called off [default: SHIM_TASK_ID, which a worker's
    /// program finds in its environment]
    #[arg(long, value_name = "TASK")]
    parent: Option<String>,
    /// Submit it on nobody's behalf, also in a worker's program
    #[arg(long, conflicts_with = "parent")]
    no_parent: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "When")]
struct TimingArgs {
    /// 1 is taken first, 100 last [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(LAST_PRIORITY)))]
    priority: Option<u32>,
    /// How long to wait before it may start, up to 30d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    delay: Option<Duration>,
    /// Run it again and again: five cron fields, in UTC; the next three runs are printed
    #[arg(long, value_name = "CRON")]
    schedule: Option<String>,
    /// What happens to a run that is due while an earlier one waits or runs [default: skip]
    #[arg(long, value_enum, requires = "schedule")]
    overlap: Option<Overlap>,
    /// When it fails if it is not done: a span from now, or a time such as 2026-07-01T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = deadline)]
    deadline: Option<SystemTime>,
}

impl Args {
    /// The session that gets a message when the job ends, as it was typed.
    pub(super) fn notify(&self) -> Option<&str> {
        self.assignment.notify.as_deref()
    }

    /// Prints which of the job's patterns match no file there is.
    pub(super) fn tell_unmatched(
        &self,
        config: &Config,
        patterns: &[String],
        out: &mut dyn Write,
    ) -> Result<(), CliError> {
        let current = CurrentWorkspace::find(self.work.workspace.as_deref(), config)?;
        Ok(current.tell_unmatched(patterns, self.json, out)?)
    }

    /// The task on whose behalf the job is submitted.
    pub(super) fn parent(&self, environment: impl Fn(&str) -> Option<String>) -> Parent {
        match (&self.assignment.parent, self.assignment.no_parent) {
            (Some(typed), _) => Parent::Typed(typed.clone()),
            (None, true) => Parent::Nobody,
            (None, false) => match environment(TASK_ID).filter(|id| !id.is_empty()) {
                Some(id) => Parent::OfProgram(id),
                None => Parent::Nobody,
            },
        }
    }

    /// The request; the session to notify and the parent are not in it yet.
    ///
    /// # Errors
    /// If an argument is wrong, before any service is called.
    pub(super) fn request(&self, config: &Config) -> Result<SubmitTaskRequest, CliError> {
        let Self {
            work,
            assignment,
            timing,
            outcome,
            ..
        } = self;
        work.check_stdin()?;
        let current = CurrentWorkspace::find(work.workspace.as_deref(), config)?;
        Ok(SubmitTaskRequest {
            request_id: request_id(),
            goal: self.goal.clone(),
            kind: self.kind.clone(),
            subtasks: work.subtasks(&current)?,
            files: hints(&current, &work.file)?,
            steps: work.step.clone(),
            split: work.split().into(),
            requirements: assignment.requirements(),
            payload: work.payload()?,
            priority: timing.priority.unwrap_or_default(),
            delay: timing.delay.map(proto_duration).transpose()?,
            schedule: timing.schedule.clone().unwrap_or_default(),
            deadline: timing.deadline.map(Into::into),
            max_attempts: outcome.max_attempts.unwrap_or_default(),
            backoff: outcome.backoff.map(proto_duration).transpose()?,
            timeout: outcome.timeout.map(proto_duration).transpose()?,
            max_budget: outcome.max_budget,
            on_failure: chosen::<_, FailurePolicy>(outcome.on_failure),
            merge: chosen::<_, MergeStrategy>(outcome.merge),
            strategy: chosen::<_, AssignmentStrategy>(assignment.strategy),
            approval: outcome.gates(),
            workspace: current.workspace.name,
            submitted_by: String::new(),
            overlap: chosen::<_, OverlapPolicy>(timing.overlap),
            parent_id: String::new(),
        })
    }
}

/// A choice as the contract numbers it; 0, which leaves it to the service, if none was typed.
fn chosen<T: Into<P>, P: Into<i32> + Default>(typed: Option<T>) -> i32 {
    typed.map_or_else(P::default, Into::into).into()
}

impl WorkArgs {
    fn payload(&self) -> Result<Option<Struct>, CliError> {
        let payload = self.payload.as_deref();
        let payload = payload.map(|payload| parse_object("--payload", payload, MAX_PAYLOAD_BYTES));
        payload.transpose()
    }

    fn check_stdin(&self) -> Result<(), CliError> {
        let is_stdin = |argument: &Option<String>| argument.as_deref() == Some("-");
        if is_stdin(&self.subtasks) && is_stdin(&self.payload) {
            let why = "only one of --subtasks and --payload can be read from stdin";
            return Err(CliError::usage(why));
        }
        Ok(())
    }

    /// The parts of the plan. Its names are relative to the workspace's root, wherever the plan lies and the command is run.
    fn subtasks(&self, current: &CurrentWorkspace) -> Result<Vec<Subtask>, CliError> {
        let Some(plan) = self.subtasks.as_deref() else {
            return Ok(Vec::new());
        };
        let mut parts = subtask_file::read(plan)?;
        if parts.is_empty() {
            let why = format!("--subtasks: the list of {plan} is empty");
            return Err(CliError::usage(why).hint("write the parts there, or leave out --subtasks"));
        }
        for (i, part) in parts.iter_mut().enumerate() {
            for (j, file) in part.files.iter_mut().enumerate() {
                let pattern = current.pattern(&current.workspace.root, file);
                *file =
                    pattern.map_err(|why| why.while_doing(format!("{plan}: [{i}].files[{j}]")))?;
            }
        }
        Ok(parts)
    }

    fn split(&self) -> SplitPolicy {
        if self.no_split {
            SplitPolicy::Never
        } else {
            SplitPolicy::Auto
        }
    }
}

impl AssignmentArgs {
    fn requirements(&self) -> Option<Requirements> {
        (self.executor.is_some() || !self.require.is_empty()).then(|| Requirements {
            executor: chosen::<_, WorkerKind>(self.executor),
            capabilities: self.require.clone(),
        })
    }
}

/// The files with their sizes, as far as they are there: the work is estimated from them.
fn hints(current: &CurrentWorkspace, typed: &[String]) -> Result<Vec<FileHint>, CliError> {
    let patterns = current.patterns(typed)?;
    let hint = |(pattern, typed): (String, &String)| {
        let found = std::fs::metadata(current.folder.join(typed)).ok();
        FileHint {
            path: pattern,
            size_bytes: found
                .filter(std::fs::Metadata::is_file)
                .map_or(0, |file| file.len()),
        }
    };
    Ok(patterns.into_iter().zip(typed).map(hint).collect())
}

/// A span from now, or a moment.
fn deadline(typed: &str) -> Result<SystemTime, String> {
    if let Ok(span) = humantime::parse_duration(typed) {
        let later = SystemTime::now().checked_add(span);
        return later.ok_or_else(|| "it is too far ahead".to_owned());
    }
    humantime::parse_rfc3339_weak(typed)
        .map_err(|_| "give a span such as 2h, or a time such as 2026-07-01T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_deadline_is_a_span_or_a_moment() {
        let ahead = deadline("2h")
            .unwrap()
            .duration_since(SystemTime::now())
            .unwrap();
        assert!(ahead > Duration::from_secs(7_100) && ahead <= Duration::from_secs(7_200));
        let moment = deadline("2026-07-01T12:00:00Z").unwrap();
        assert_eq!(
            humantime::format_rfc3339_seconds(moment).to_string(),
            "2026-07-01T12:00:00Z"
        );
        assert!(deadline("tomorrow").is_err());
    }

    #[test]
    fn a_parent_is_typed_or_that_of_the_program() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let parent = |words: &[&str], task: Option<&str>| {
            let words = ["submit", "work"].iter().chain(words);
            let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
            let task = task.map(str::to_owned);
            line.args
                .parent(|name| task.clone().filter(|_| name == TASK_ID))
        };
        let of_program = || Parent::OfProgram("t".to_owned());
        assert_eq!(parent(&[], None), Parent::Nobody);
        assert_eq!(parent(&[], Some("")), Parent::Nobody);
        assert_eq!(parent(&[], Some("t")), of_program());
        assert_eq!(parent(&["--no-parent"], Some("t")), Parent::Nobody);
        let typed = Parent::Typed("a/b".to_owned());
        assert_eq!(parent(&["--parent", "a/b"], Some("t")), typed);
    }

    #[test]
    fn what_was_not_asked_for_is_left_to_the_service() {
        let nobody = AssignmentArgs {
            executor: None,
            require: Vec::new(),
            strategy: None,
            notify: None,
            parent: None,
            no_parent: false,
        };
        assert_eq!(nobody.requirements(), None);
        let agent = AssignmentArgs {
            executor: Some(Executor::Agent),
            ..nobody
        };
        assert_eq!(agent.requirements().unwrap().executor(), WorkerKind::Agent);
    }
}
