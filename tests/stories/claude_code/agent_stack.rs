//! A stack whose workers are real headless clients, each an executor with a script of its own.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use shim_proto::coordination::v1::{
    Requirements, SplitPolicy, SubmitTaskRequest, Task, TaskEvent, WatchTaskRequest, WorkerKind,
};
use shim_tests::binary;
use shim_tests::calls::request_id;
use shim_tests::claude::{ClaudeLab, Window, WindowKind};
use shim_tests::service::{Launch, Service};
use shim_tests::tasks::TaskClients;
use shim_tests::temp_env::TempEnv;

/// An executor: its name, the arguments and variables it has beside the usual ones.
pub(super) struct AgentSetup {
    pub(super) name: &'static str,
    pub(super) args: &'static str,
    pub(super) variables: &'static [(&'static str, &'static str)],
}

impl AgentSetup {
    /// One that may do everything.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            args: "--dangerously-skip-permissions",
            variables: &[],
        }
    }
}

pub(super) struct AgentStack {
    pub(super) temp: TempEnv,
    pub(super) lab: ClaudeLab,
    _service: Service,
    pub(super) tasks: TaskClients,
}

impl AgentStack {
    /// `None` where there is no real client.
    pub(super) async fn open(agents: &[AgentSetup]) -> Option<Self> {
        let temp = TempEnv::new();
        let lab = ClaudeLab::open(temp.root()).await?;
        let file = temp.root().join("shim.toml");
        std::fs::write(&file, settings(&temp, &lab, agents)).unwrap();
        let launch = Launch::own_stack(&temp.data_dir()).entry(lab.entry());
        let launch = launch.env("SHIM_CONFIG", &file.display().to_string());
        let service = launch.start_or_panic().await;
        let tasks = service.tasks();
        Some(Self {
            temp,
            lab,
            _service: service,
            tasks,
        })
    }

    /// What the model says to an executor.
    pub(super) async fn script(&mut self, agent: &str, steps: &[Value]) {
        self.lab.script(&key(agent), steps).await;
    }

    /// A task for an executor; returns its id.
    pub(super) async fn submit(
        &mut self,
        agent: &str,
        change: impl FnOnce(&mut SubmitTaskRequest),
    ) -> String {
        let mut request = SubmitTaskRequest {
            request_id: request_id(),
            goal: format!("do what {agent} is asked"),
            split: SplitPolicy::Never.into(),
            requirements: Some(Requirements {
                executor: WorkerKind::Agent.into(),
                capabilities: vec![agent.to_owned()],
            }),
            backoff: prost_types::Duration::try_from(Duration::from_millis(10)).ok(),
            ..Default::default()
        };
        change(&mut request);
        self.tasks
            .submit(request)
            .await
            .unwrap()
            .task
            .unwrap()
            .task_id
    }

    /// The task once it has ended.
    pub(super) async fn ended(&mut self, task_id: &str) -> Task {
        self.tasks.wait_for_end(task_id).await.unwrap()
    }

    /// The log of a task up to the first line that is wanted.
    pub(super) async fn log_until(
        &mut self,
        task_id: &str,
        is_wanted: impl Fn(&TaskEvent) -> bool,
    ) -> Vec<TaskEvent> {
        let request = WatchTaskRequest {
            task_id: task_id.to_owned(),
            after_cursor: String::new(),
        };
        let mut log = self.tasks.jobs.watch_task(request).await.unwrap();
        let mut events = Vec::new();
        while let Some(line) = log.get_mut().message().await.unwrap() {
            let event = line.event.unwrap();
            let is_last = is_wanted(&event);
            events.push(event);
            if is_last {
                return events;
            }
        }
        panic!("the job ended before: {events:#?}");
    }

    /// The next turn that an executor asks the model for.
    pub(super) async fn turn(&mut self, agent: &str) -> Value {
        self.lab.turn(&key(agent)).await
    }
}

fn key(agent: &str) -> String {
    format!("sk-ant-key-of-the-window-{agent}")
}

/// Each executor is a script that calls the client with what only this executor has.
fn settings(temp: &TempEnv, lab: &ClaudeLab, agents: &[AgentSetup]) -> String {
    let project = temp.project();
    let names: Vec<_> = agents.iter().map(|it| format!("'{}'", it.name)).collect();
    let mut text = format!(
        "[worker]\nroots = ['{}']\nstart = [{}]\ngrace = '2s'\n",
        project.display(),
        names.join(", ")
    );
    for agent in agents {
        let window = Window::new(lab, agent.name, WindowKind::Headless, &project);
        let program = temp.root().join(format!("claude-{}", agent.name));
        write_script(&program, window.environment(), agent.variables);
        let args: Vec<_> = agent.args.split_whitespace().collect();
        let args = args.iter().map(|it| format!(", '{it}'"));
        text += &format!(
            "[worker.executors.{name}]\nkind = 'agent'\nprogram = '{program}'\n\
             args = ['-p', '--output-format', 'stream-json', '--verbose'{args}]\n\
             capabilities = ['{name}']\nworking_dir = '{project}'\n",
            name = agent.name,
            program = program.display(),
            args = args.collect::<String>(),
            project = project.display(),
        );
    }
    text
}

fn write_script(
    program: &Path,
    environment: &BTreeMap<String, String>,
    variables: &[(&str, &str)],
) {
    let mut script = String::from("#!/bin/sh\n");
    for (name, value) in environment {
        script += &format!("export {name}='{value}'\n");
    }
    for (name, value) in variables {
        script += &format!("export {name}='{value}'\n");
    }
    let claude = binary::claude().unwrap();
    script += &format!("exec '{}' \"$@\"\n", claude.display());
    std::fs::write(program, script).unwrap();
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).unwrap();
}
