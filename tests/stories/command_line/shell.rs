//! A person's shell beside a running stack: it runs `shim` and holds what came out against the snapshots.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use shim_redis_harness::{Port, Redis};
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use shim_tests::{binary, process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::redaction::Redaction;

/// Only a command that is stuck takes longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The shell. Its folder is the project of a throw-away home; no configuration of the machine reaches its commands.
pub(super) struct Shell {
    pub(super) temp: TempEnv,
    pub(super) service: Service,
    pub(super) redaction: Redaction,
    redis: Redis,
    /// Of its own: the default address is served by the first stack of the machine alone.
    port: Port,
    config: PathBuf,
}

fn address(port: &Port) -> String {
    format!("127.0.0.1:{}", port.number())
}

impl Shell {
    /// A stack with one configured executor, `echo`, and no data.
    pub(super) async fn new() -> Self {
        let (temp, redis, port) = (TempEnv::new(), Redis::start(), Port::reserve());
        let config = temp.root().join("shim.toml");
        let project = temp.project().display().to_string();
        let settings = format!(
            "worker.roots = ['{project}']\n\
             [worker.executors.echo]\nkind = 'command'\nprogram = 'true'\nworking_dir = '{project}'\n"
        );
        std::fs::write(&config, settings).unwrap();
        let launch = Launch::stack(&temp.data_dir(), &redis.url())
            .env("SHIM_CONFIG", &config.display().to_string())
            .env("SHIM_LISTEN", &address(&port))
            // The workers of the known data send no heartbeats.
            .env("SHIM_REGISTRY_DEAD_AFTER", "100s");
        let mut redaction = Redaction::new();
        redaction.replace(&temp.root().display().to_string(), "[root]");
        let program = binary::shim();
        for path in [program.canonicalize().unwrap(), program] {
            redaction.replace(&path.display().to_string(), "[shim]");
        }
        redaction.replace(&redis.url(), "[redis]");
        Self {
            service: launch.start_or_panic().await,
            temp,
            redaction,
            redis,
            port,
            config,
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let home = self.temp.root().join("home");
        std::fs::create_dir_all(&home).unwrap();
        let mut command = Command::new(binary::shim());
        command
            .arg("--data-dir")
            .arg(self.temp.data_dir())
            .args(words)
            .current_dir(self.temp.project())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("USER", "ann")
            .env("SHIM_CONFIG", &self.config)
            .env("SHIM_REDIS_URL", self.redis.url())
            .env("SHIM_LISTEN", address(&self.port))
            .env("SHIM_REGISTRY_DEAD_AFTER", "100s")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, words: &[&str]) -> Output {
        let ended = tokio::time::timeout(TIMEOUT, self.command(words).output()).await;
        ended.expect("the command ends").unwrap()
    }

    /// Runs a command and holds it against the snapshot `name`.
    pub(super) async fn snapshot(&self, name: &str, words: &[&str]) {
        let output = self.run(words).await;
        let ending = match output.status.code() {
            Some(code) => format!("exit code {code}"),
            None => output.status.to_string(),
        };
        self.compare(name, words, &ending, &output.stdout, &output.stderr);
    }

    /// Runs a command that changes nothing twice: for people, and as `NAME_json` for programs.
    pub(super) async fn snapshot_both(&self, name: &str, words: &[&str]) {
        self.snapshot(name, words).await;
        let as_json = [words, &["--json"]].concat();
        self.snapshot(&format!("{name}_json"), &as_json).await;
    }

    /// Runs a command that goes on until it is interrupted: when a line with `ready` came, `change` is made, and after a
    /// line with `done` the command is interrupted.
    pub(super) async fn snapshot_watch(
        &self,
        name: &str,
        words: &[&str],
        (ready, done): (&str, &str),
        change: impl Future<Output = ()>,
    ) {
        let mut child = self.command(words).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stdout = String::new();
        let mut read_until = async |mark: &str| {
            loop {
                let line = lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("no line with {mark}: {stdout}"));
                stdout.push_str(&line);
                stdout.push('\n');
                if line.contains(mark) {
                    return;
                }
            }
        };
        let watched = async {
            read_until(ready).await;
            change.await;
            read_until(done).await;
        };
        tokio::time::timeout(TIMEOUT, watched)
            .await
            .expect("the change is seen");
        process::signal(child.id().unwrap(), Signal::SIGINT);
        let ended = tokio::time::timeout(TIMEOUT, child.wait()).await;
        let status = ended.expect("an interrupt ends it").unwrap();
        let mut stderr = Vec::new();
        let mut rest = child.stderr.take().unwrap();
        rest.read_to_end(&mut stderr).await.unwrap();
        let ending = format!("interrupted: {status}");
        self.compare(name, words, &ending, stdout.as_bytes(), &stderr);
    }

    fn compare(&self, name: &str, words: &[&str], ending: &str, stdout: &[u8], stderr: &[u8]) {
        let quoted = words.iter().map(|word| {
            if word.is_empty() || word.contains([' ', '"', '*', '{']) {
                format!("'{word}'")
            } else {
                (*word).to_owned()
            }
        });
        let text = format!(
            "$ shim {}\n{ending}\n--- stdout\n{}\n--- stderr\n{}\n",
            quoted.collect::<Vec<_>>().join(" "),
            String::from_utf8_lossy(stdout).trim_end(),
            String::from_utf8_lossy(stderr).trim_end(),
        );
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        Redaction::add_patterns(&mut settings);
        settings.bind(|| insta::assert_snapshot!(name, self.redaction.apply(&text)));
    }
}
