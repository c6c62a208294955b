//! Services on a socket, as the local stack has them, and clients of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_checkpoint::Config as CheckpointConfig;
use shim_coordination::Config as CoordinationConfig;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::coordination::v1::{GetTaskRequest, SubmitTaskRequest, Task, TaskState};
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_redis_harness::Redis;
use shim_runtime::auth::Auth;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::config::Settings;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use shim_runtime::service::{Service, serve};
use shim_runtime::service_error;
use shim_store::Store;
use shim_worker::Config as WorkerConfig;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// How long a story waits for an expected event.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
/// A silent worker is dead soon, but not because the machine is slow for a moment.
pub(crate) const BEATS: [(&str, &str); 2] = [
    ("registry.heartbeat", "300ms"),
    ("registry.dead_after", "1500ms"),
];

/// The services of one process, and clients of them.
pub(crate) struct TestStack {
    pub(crate) tasks: TaskServiceClient<Channel>,
    pub(crate) workers: WorkerServiceClient<Channel>,
    pub(crate) registry: RegistryServiceClient<Channel>,
    pub(crate) checkpoints: CheckpointServiceClient<Channel>,
    pub(crate) socket: PathBuf,
    pub(crate) store: Store,
    shutdown: Shutdown,
    server: JoinHandle<()>,
    folder: TempDir,
}

/// How a stack is built.
pub(crate) struct StackBuilder<'a> {
    redis: String,
    settings: Vec<(&'a str, String)>,
    scripts: Vec<(&'a str, String, String)>,
    checkpoints: Option<PathBuf>,
}

impl<'a> StackBuilder<'a> {
    pub(crate) fn new(redis: &str) -> Self {
        Self {
            redis: redis.to_owned(),
            settings: BEATS.map(|(key, value)| (key, value.to_owned())).to_vec(),
            scripts: Vec::new(),
            checkpoints: None,
        }
    }

    pub(crate) fn set(mut self, key: &'a str, value: impl Into<String>) -> Self {
        self.settings.retain(|(known, _)| *known != key);
        self.settings.push((key, value.into()));
        self
    }

    /// A shell script as an executor of this name.
    pub(crate) fn script(mut self, name: &'a str, kind: &str, script: &str) -> Self {
        self.scripts
            .push((name, kind.to_owned(), script.to_owned()));
        self
    }

    /// Uses the checkpoint service of another stack.
    pub(crate) fn with_checkpoints_at(mut self, socket: &Path) -> Self {
        self.checkpoints = Some(socket.to_owned());
        self
    }

    pub(crate) async fn build(self) -> TestStack {
        TestStack::build(self).await
    }
}

impl TestStack {
    pub(crate) async fn on(redis: &Redis) -> Self {
        StackBuilder::new(&redis.unix_url()).build().await
    }

    async fn build(builder: StackBuilder<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let text = path.to_str().unwrap().to_owned();
        let flags = [
            ("redis_url", builder.redis),
            ("data_dir", text.clone()),
            ("worker.roots", text),
        ];
        let flags = flags.into_iter().chain(builder.settings);
        let mut flags: Vec<_> = flags.map(|(key, value)| (key.to_owned(), value)).collect();
        for (name, kind, script) in builder.scripts {
            let file = path.join(format!("{name}.sh"));
            std::fs::write(&file, script).unwrap();
            let set = |field: &str, value: &str| {
                let key = format!("worker.executors.{name}.{field}");
                (key, value.to_owned())
            };
            flags.extend([
                set("kind", &kind),
                set("program", "sh"),
                set("args", file.to_str().unwrap()),
            ]);
        }
        let mut settings = Settings::gather(None, [], flags).unwrap();
        let coordination = CoordinationConfig::read(&mut settings);
        let (checkpoint, worker) = (
            CheckpointConfig::read(&mut settings),
            WorkerConfig::read(&mut settings),
        );
        settings.finish().unwrap();
        let socket = path.join("shim.sock");
        let mut listeners = Listeners::default();
        listeners.bind_unix(&socket).unwrap();
        let shutdown = Shutdown::new();
        let channel = connect(&Endpoint::Unix(socket.clone()), None).unwrap();
        let checkpoint_channel = builder.checkpoints.unwrap_or_else(|| socket.clone());
        let checkpoint_channel = connect(&Endpoint::Unix(checkpoint_channel), None).unwrap();

        let store = Store::open_at(&coordination.store, &shutdown).unwrap();
        let checkpoint = shim_checkpoint::build(checkpoint, &path, &shutdown);
        let checkpoint = checkpoint.await.unwrap();
        let coordination = shim_coordination::build(&coordination, store.clone(), &shutdown);
        let worker =
            shim_worker::build(worker, store.clone(), Some(checkpoint_channel), &shutdown).unwrap();
        let server = Server::new(Auth::default()).unwrap();
        let stop = shutdown.clone();
        let server = tokio::spawn(async move {
            let services: [Box<dyn Service>; 3] = [
                Box::new(checkpoint),
                Box::new(coordination),
                Box::new(worker),
            ];
            serve(&services, server, listeners, stop).await.unwrap();
        });
        let stack = Self {
            tasks: TaskServiceClient::new(channel.clone()).max_decoding_message_size(16 << 20),
            workers: WorkerServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
            checkpoints: CheckpointServiceClient::new(channel),
            socket,
            store,
            shutdown,
            server,
            folder,
        };
        stack.wait_ready().await;
        stack
    }

    async fn wait_ready(&self) {
        let mut connection = self.store.connection.clone();
        within(async {
            while connection.health().is_err() {
                connection.health_changed().await;
            }
        })
        .await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Begins the shutdown, as SIGTERM does.
    pub(crate) fn begin_stop(&self) {
        self.shutdown.begin();
    }

    /// Stops the services in good order.
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        drop((self.tasks, self.workers, self.registry, self.checkpoints));
        within(self.server).await.unwrap();
    }

    pub(crate) async fn submit(&self, job: SubmitTaskRequest) -> Task {
        let submitted = self.tasks.clone().submit_task(job).await.unwrap();
        submitted.into_inner().task.unwrap()
    }

    /// A task with its result.
    pub(crate) async fn get(&self, task_id: &str) -> Task {
        let request = GetTaskRequest {
            task_id: task_id.to_owned(),
            with_subtasks: false,
        };
        let found = self.tasks.clone().get_task(request).await.unwrap();
        found.into_inner().task.unwrap()
    }

    /// The task when it is in this state.
    pub(crate) async fn until(&self, task_id: &str, state: TaskState) -> Task {
        self.when(task_id, |task| task.state() == state).await
    }

    /// The task when it is as the story wants it.
    pub(crate) async fn when(&self, task_id: &str, is: impl Fn(&Task) -> bool) -> Task {
        let found = async {
            loop {
                let task = self.get(task_id).await;
                if is(&task) {
                    return task;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(TIMEOUT, found).await {
            Ok(task) => task,
            Err(_) => panic!("the task never became so: {:?}", self.get(task_id).await),
        }
    }
}

/// The outcome of an event that must arrive in time.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, what)
        .await
        .expect("it comes in time")
}

/// A new id.
pub(crate) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A span on the wire.
pub(crate) fn span(millis: u64) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(Duration::from_millis(millis)).ok()
}

/// A job without anything special.
pub(crate) fn job(goal: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        request_id: id(),
        goal: goal.to_owned(),
        ..Default::default()
    }
}

/// The code and reason of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("it is refused");
    (status.code(), service_error::decode(&status).reason)
}
