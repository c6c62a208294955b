//! The service under test with its clients, and helpers of all stories.

use std::time::Duration;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_coordination::Config;
use shim_proto::coordination::v1::ListLocksRequest;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::state_service_client::StateServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_redis_harness::Redis;
use shim_runtime::auth::Auth;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::config::Settings;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use shim_runtime::service::{Service, serve};
use shim_runtime::service_error;
use shim_store::Store;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// How long a story waits for an expected event.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running service with clients.
pub(crate) struct TestService {
    pub(crate) state: StateServiceClient<Channel>,
    pub(crate) locks: LockServiceClient<Channel>,
    pub(crate) bus: BusServiceClient<Channel>,
    pub(crate) registry: RegistryServiceClient<Channel>,
    pub(crate) tasks: TaskServiceClient<Channel>,
    shutdown: Shutdown,
    server: JoinHandle<()>,
    _folder: TempDir,
}

impl TestService {
    /// A service on this Redis, once it answers.
    pub(crate) async fn start(redis: &Redis) -> Self {
        Self::start_with(&redis.unix_url(), &[]).await
    }

    /// A service on the Redis at `url` with more settings, once it answers.
    pub(crate) async fn start_with(url: &str, more: &[(&str, &str)]) -> Self {
        let service = Self::start_unready(url, more).await;
        within(async {
            while service
                .locks
                .clone()
                .list_locks(ListLocksRequest::default())
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        service
    }

    /// A service that may not answer yet; an empty `url` means no Redis.
    pub(crate) async fn start_unready(url: &str, more: &[(&str, &str)]) -> Self {
        let flags = [("redis_url", url)]
            .iter()
            .chain(more)
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>();
        let mut settings = Settings::gather(None, [], flags).unwrap();
        let config = Config::read(&mut settings);
        settings.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("shim.sock");
        let mut listeners = Listeners::default();
        listeners.bind_unix(&socket).unwrap();
        let shutdown = Shutdown::new();
        let store = Store::open_at(&config.store, &shutdown).unwrap();
        let service = shim_coordination::build(&config, store, &shutdown);
        let server = Server::new(Auth::default()).unwrap();
        let stop = shutdown.clone();
        let server = tokio::spawn(async move {
            let services: [Box<dyn Service>; 1] = [Box::new(service)];
            serve(&services, server, listeners, stop).await.unwrap();
        });
        let channel = connect(&Endpoint::Unix(socket), None).unwrap();
        Self {
            state: StateServiceClient::new(channel.clone()).max_decoding_message_size(16 << 20),
            locks: LockServiceClient::new(channel.clone()),
            bus: BusServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
            tasks: TaskServiceClient::new(channel).max_decoding_message_size(16 << 20),
            shutdown,
            server,
            _folder: folder,
        }
    }

    /// Stops the service in good order.
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        drop((self.state, self.locks, self.bus, self.registry, self.tasks));
        within(self.server).await.unwrap();
    }
}

/// Waits for an expected event; panics after [`PATIENCE`].
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("the event comes in time")
}

/// A new request id.
pub(crate) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A protobuf duration of some milliseconds.
pub(crate) fn span(millis: u64) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(Duration::from_millis(millis)).ok()
}

/// A protobuf struct of texts.
pub(crate) fn object(fields: &[(&str, &str)]) -> Struct {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    Struct {
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), text(value)))
            .collect(),
    }
}

/// The code and reason of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("it is refused");
    (status.code(), service_error::decode(&status).reason)
}
