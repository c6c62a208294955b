//! `shim status`: whether the local stack runs, where it listens, and what it holds. Exit code 3 if it is stopped.

mod coordination;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use shim_proto::checkpoint::v1::{Session, SessionStatus};
use shim_render::figures::count;
use shim_render::time::span;
use shim_runtime::client::Endpoint;
use shim_runtime::stack::{StackInfo, StackState};

use crate::config::Config;
use crate::connection;
use crate::error::CliError;
use crate::output::lines::Lines;
use crate::output::{json, screen};
use crate::program_path::program_path;
use crate::sessions::{self, SessionFilter};
use crate::surroundings::{self, Difference};
use crate::up::{redis, redis_log};
use coordination::CoordinationStatus;

/// As `systemctl status` and the LSB ask for a stopped service.
const EXIT_STOPPED: u8 = 3;
const REFRESH: Duration = Duration::from_secs(1);
const RECENT: usize = 8;
/// Counting more sessions than this would make a status slow.
const COUNTED: usize = 10_000;
const CLEAR: &str = "\x1b[H\x1b[2J";

/// How to print the status.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 running, 1 running but not answering, 3 stopped.")]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Refresh every second until interrupted
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// The status of a stack.
#[derive(Debug, Serialize)]
struct Report {
    state: &'static str,
    data_dir: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<StackInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<SessionCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coordination: Option<CoordinationStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
    /// Why the stack's own Redis does not start, and the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis_trouble: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    recent: Vec<Session>,
}

#[derive(Debug, Default, Serialize)]
struct SessionCounts {
    active: u64,
    attached: u64,
    interrupted: u64,
    ended: u64,
}

/// Prints the status once, or again and again.
pub(crate) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    if args.watch && std::io::stdout().is_terminal() {
        return watch(config, out).await;
    }
    if args.json {
        let report = gather(config).await;
        json::write_value(out, &report)?;
        return Ok(report.exit_code());
    }
    print(config, out).await
}

/// Prints the status as text.
pub(crate) async fn print(config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let report = gather(config).await;
    report.print(out)?;
    Ok(report.exit_code())
}

async fn watch(config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    loop {
        let report = gather(config).await;
        // Written at once, so that the screen does not flicker.
        let mut frame = CLEAR.as_bytes().to_vec();
        let mut screen = Lines::new(&mut frame);
        report.print(&mut screen)?;
        if !report.recent.is_empty() {
            writeln!(screen)?;
            sessions::table(&report.recent).print(&mut screen)?;
        }
        next_steps(&report, &mut screen)?;
        screen::show(&frame, out)?;
        tokio::time::sleep(REFRESH).await;
    }
}

/// The next steps for a person at a new stack.
fn next_steps(report: &Report, screen: &mut dyn Write) -> std::io::Result<()> {
    let shim = program_path().map_or_else(
        |_| "shim".to_owned(),
        |program| program.display().to_string(),
    );
    writeln!(screen)?;
    writeln!(
        screen,
        "Connect Claude:  {shim} install claude-code   (or claude-desktop)"
    )?;
    if let Some(stack) = &report.stack {
        let socket = stack.socket.display();
        writeln!(
            screen,
            "Call it:         grpcurl -plaintext -unix -authority localhost {socket} list shim.checkpoint.v1.CheckpointService"
        )?;
    }
    writeln!(screen, "Look around:     {shim} sessions --help")?;
    writeln!(screen, "Ctrl-C ends this view.")
}

async fn gather(config: &Config) -> Report {
    let data_dir = config.data_dir().display().to_string();
    let mut report = Report::stopped(data_dir);
    match config.stack().state() {
        StackState::Stopped => return report,
        StackState::Starting => report.state = "starting",
        StackState::Held(why) => {
            report.state = "held";
            report.error = Some(format!("no stack may start now: {why}"));
        }
        StackState::Running(info) => {
            report.state = "running";
            report.uptime_seconds = Some(uptime(&info).as_secs());
            let (recent, coordination) =
                tokio::join!(recent(config, &info), coordination(config, &info));
            report.coordination = coordination.ok();
            match recent {
                Ok(sessions) => {
                    report.sessions = Some(SessionCounts::of(&sessions));
                    report.recent = sessions.into_iter().take(RECENT).collect();
                }
                Err(failure) => report.error = Some(failure.to_string()),
            }
            report.differences = surroundings::differences(config, &info);
            report.redis_trouble = redis_trouble(config, &info).await;
            // What differs is told; the rest of it is long and nobody's business.
            report.stack = Some(StackInfo {
                surroundings: None,
                ..info
            });
        }
    }
    report
}

async fn recent(config: &Config, info: &StackInfo) -> Result<Vec<Session>, CliError> {
    let mut service = connection::checkpoints_at(config, &Endpoint::Unix(info.socket.clone()))?;
    sessions::list_all(&mut service, &SessionFilter::default(), COUNTED).await
}

async fn coordination(config: &Config, info: &StackInfo) -> Result<CoordinationStatus, CliError> {
    CoordinationStatus::gather(config, &Endpoint::Unix(info.socket.clone())).await
}

async fn redis_trouble(config: &Config, info: &StackInfo) -> Option<String> {
    let socket = redis::socket(config.data_dir());
    let is_private = info.redis.as_ref()?.contains(&*socket.to_string_lossy());
    if !is_private || redis::answers(&socket).await {
        return None;
    }
    let trouble = redis_log::last_trouble(config.data_dir())?;
    Some(format!("{}; {}", trouble.headline(), trouble.kind.step()))
}

fn uptime(info: &StackInfo) -> Duration {
    let started = UNIX_EPOCH + Duration::from_millis(info.started_unix_ms);
    SystemTime::now()
        .duration_since(started)
        .unwrap_or_default()
}

impl SessionCounts {
    fn of(sessions: &[Session]) -> Self {
        let mut counts = Self::default();
        for session in sessions {
            counts.attached += u64::from(session.attached);
            match session.status() {
                SessionStatus::Active => counts.active += 1,
                SessionStatus::Interrupted => counts.interrupted += 1,
                SessionStatus::Ended => counts.ended += 1,
                SessionStatus::Unspecified => {}
            }
        }
        counts
    }
}

impl Report {
    fn stopped(data_dir: String) -> Self {
        Self {
            state: "stopped",
            data_dir,
            stack: None,
            uptime_seconds: None,
            sessions: None,
            coordination: None,
            differences: Vec::new(),
            redis_trouble: None,
            error: None,
            recent: Vec::new(),
        }
    }

    fn exit_code(&self) -> ExitCode {
        match (self.state, &self.error) {
            ("stopped", _) => ExitCode::from(EXIT_STOPPED),
            (_, Some(_)) => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let uptime = self
            .uptime_seconds
            .map(|seconds| format!(" for {}", span(Duration::from_secs(seconds))));
        writeln!(
            out,
            "stack     {}{}",
            self.state,
            uptime.unwrap_or_default()
        )?;
        writeln!(out, "data      {}", self.data_dir)?;
        if let Some(info) = &self.stack {
            print_process(info, out)?;
        }
        if let Some(trouble) = &self.redis_trouble {
            writeln!(out, "          {trouble}")?;
        }
        for difference in &self.differences {
            writeln!(out, "differs   {}; {}", difference.what, difference.step)?;
        }
        if let Some(counts) = &self.sessions {
            counts.print(out)?;
        }
        if let Some(coordination) = &self.coordination {
            coordination.print(out)?;
        }
        if let Some(error) = &self.error {
            writeln!(out, "error     {error}")?;
        }
        Ok(())
    }
}

fn print_process(info: &StackInfo, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "process   pid {}, version {}", info.pid, info.version)?;
    writeln!(out, "socket    {}", info.socket.display())?;
    let tcp = info
        .tcp
        .map_or("none".to_owned(), |address| address.to_string());
    writeln!(out, "tcp       {tcp}")?;
    if let Some(file) = &info.token_file {
        writeln!(out, "token     {}, for callers over TCP", file.display())?;
    }
    writeln!(out, "redis     {}", info.redis.as_deref().unwrap_or("none"))
}

impl SessionCounts {
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self {
            active,
            attached,
            interrupted,
            ended,
        } = self;
        let all = count(active + interrupted + ended, "session");
        writeln!(
            out,
            "sessions  {all}: {active} active ({attached} attached), {interrupted} interrupted, {ended} ended"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{new_session, printed, session};

    fn faces(report: &Report) -> String {
        let json = serde_json::to_string_pretty(report).unwrap_or_default();
        format!("{}\n--json\n{json}", printed(|out| report.print(out)))
    }

    #[test]
    fn a_stack_is_printed_with_what_it_holds() {
        let stopped = Report::stopped("/data".into());
        insta::assert_snapshot!("stopped", faces(&stopped));
        let running = Report {
            state: "running",
            stack: Some(StackInfo {
                pid: 4_711,
                version: "0.1.0".into(),
                started_unix_ms: 1_767_319_445_000,
                socket: "/data/shim.sock".into(),
                tcp: Some(([127, 0, 0, 1], 50_051).into()),
                token_file: Some("/data/token".into()),
                redis: Some("redis+unix:///data/redis.sock".into()),
                surroundings: None,
            }),
            uptime_seconds: Some(3_600),
            sessions: Some(SessionCounts::of(&[session(), new_session()])),
            coordination: Some(CoordinationStatus::default()),
            ..stopped
        };
        insta::assert_snapshot!("running", faces(&running));
    }
}
