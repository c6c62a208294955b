//! The services, the links to them and a project folder; gateways come and go.

use std::path::Path;

use shim_gateway::{Config, EmbeddedGateway};
use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_redis_harness::Redis;
use shim_runtime::client::Endpoint;
use shim_runtime::config::{Config as RuntimeConfig, Settings};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use tempfile::TempDir;

use crate::client::Client;
use crate::fault_proxy::FaultProxy;
use crate::test_stack::TestStack;

/// A silent worker is dead soon, but not because the machine is slow for a moment.
const BEATS: [(&str, &str); 2] = [
    ("registry.heartbeat", "100ms"),
    ("registry.dead_after", "5s"),
];

/// How an environment is built.
#[derive(Default)]
pub struct EnvBuilder<'a> {
    settings: Vec<(&'a str, &'a str)>,
    has_coordination: bool,
    has_worker_service: bool,
}

impl<'a> EnvBuilder<'a> {
    /// With the checkpoint service alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With all services.
    #[must_use]
    pub fn with_coordination() -> Self {
        Self {
            settings: BEATS.to_vec(),
            has_coordination: true,
            has_worker_service: true,
        }
    }

    /// The gateways know of no worker service.
    #[must_use]
    pub fn without_worker_service(self) -> Self {
        Self {
            has_worker_service: false,
            ..self
        }
    }

    /// A setting of the services.
    #[must_use]
    pub fn set(mut self, key: &'a str, value: &'a str) -> Self {
        self.settings.retain(|(known, _)| *known != key);
        self.settings.push((key, value));
        self
    }

    /// Starts what there is to start.
    ///
    /// # Panics
    /// If a service does not start.
    pub async fn build(self) -> TestEnv {
        let folder = tempfile::tempdir().unwrap();
        let links = tempfile::tempdir().unwrap();
        let redis = self.has_coordination.then(Redis::start);
        let url = redis.as_ref().map(Redis::unix_url);
        let stack = TestStack::start(url, &self.settings).await;
        let link = |name: &str| FaultProxy::start(links.path().join(name), stack.socket());
        TestEnv {
            checkpoint: link("checkpoint.sock"),
            coordination: self.has_coordination.then(|| link("coordination.sock")),
            has_worker_service: self.has_worker_service,
            folder,
            stack,
            redis,
            _links: links,
        }
    }
}

/// The services and a project folder.
pub struct TestEnv {
    /// The link of all gateways to the checkpoint service.
    pub checkpoint: FaultProxy,
    /// The link to the coordination and worker services, if there are any.
    coordination: Option<FaultProxy>,
    has_worker_service: bool,
    /// The project.
    pub folder: TempDir,
    /// The services themselves, beside the links.
    pub stack: TestStack,
    redis: Option<Redis>,
    _links: TempDir,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "an environment that fails ends its story"
)]
impl TestEnv {
    /// With the checkpoint service alone.
    pub async fn new() -> Self {
        EnvBuilder::new().build().await
    }

    /// With all services.
    pub async fn with_coordination() -> Self {
        EnvBuilder::with_coordination().build().await
    }

    /// The link to the coordination and worker services.
    #[must_use]
    pub fn coordination(&self) -> &FaultProxy {
        self.coordination.as_ref().unwrap()
    }

    /// Breaks the link to the coordination and worker services.
    pub fn kill_coordination(&mut self) {
        self.coordination.as_mut().unwrap().kill();
    }

    /// The Redis behind the coordination service.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        self.redis.as_ref().unwrap()
    }

    /// Kills the Redis behind the coordination service.
    pub fn kill_redis(&mut self) {
        self.redis.as_mut().unwrap().kill();
    }

    /// Lets the time pass after which messages that were given out and not acknowledged are given out again.
    pub fn lapse_visibility(&self) {
        let lapse = "for _, key in ipairs(redis.call('KEYS', '*deadlines')) do
            for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZADD', key, 1, id) end
        end";
        self.redis().command(&["EVAL", lapse, "0"]).unwrap();
    }

    /// The project as the service knows it.
    #[must_use]
    pub fn project(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// A gateway for the services, with no client connected yet.
    #[must_use]
    pub fn gateway(&self) -> EmbeddedGateway {
        // The test itself plays the living client.
        self.gateway_for(Some(process::own()), Shutdown::new())
    }

    /// A gateway that `client` started.
    #[must_use]
    pub fn gateway_for(
        &self,
        client: Option<ProcessIdentity>,
        shutdown: Shutdown,
    ) -> EmbeddedGateway {
        let endpoint = |link: &FaultProxy| Endpoint::Unix(link.socket().to_path_buf());
        let mut runtime = RuntimeConfig::read(&mut Settings::default());
        runtime.endpoints.checkpoint = Some(endpoint(&self.checkpoint));
        runtime.endpoints.coordination = self.coordination.as_ref().map(endpoint);
        let coordination = runtime.endpoints.coordination.clone();
        runtime.endpoints.worker = coordination.filter(|_| self.has_worker_service);
        gateway(&runtime, self.folder.path(), client, shutdown)
    }

    /// A client of its own gateway.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::of(self.gateway())
    }

    /// A client that has said hello in the present era.
    pub async fn connected(&self) -> Client {
        let mut client = self.client();
        client.initialize().await;
        client
    }
}

fn gateway(
    runtime: &RuntimeConfig,
    project: &Path,
    client: Option<ProcessIdentity>,
    shutdown: Shutdown,
) -> EmbeddedGateway {
    let config = Config {
        project: Some(project.to_path_buf()),
        ..Config::default()
    };
    EmbeddedGateway::prepare(runtime, config, client, shutdown).unwrap()
}

/// A gateway whose checkpoint service is not there.
///
/// # Panics
/// If it cannot be prepared.
#[must_use]
pub fn gateway_without_services(project: &Path, shutdown: Shutdown) -> EmbeddedGateway {
    let mut runtime = RuntimeConfig::read(&mut Settings::default());
    runtime.endpoints.checkpoint = Some(Endpoint::Unix(project.join("nothing.sock")));
    gateway(&runtime, project, None, shutdown)
}
