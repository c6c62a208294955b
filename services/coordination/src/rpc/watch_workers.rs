//! WatchWorkers: a snapshot of the living workers, then every change.

use shim_proto::coordination::v1::watch_workers_response::Event;
use shim_proto::coordination::v1::{
    WatchWorkersRequest, WatchWorkersResponse, Worker, WorkerChange, WorkersResync, WorkersSynced,
};
use shim_runtime::rpc::ResponseStream;
use shim_runtime::server::begin_streaming;
use shim_store::registry::{CHANNELS, Change, Filter};
use shim_store::{Error, Publication, Store, Topic};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::watch::{self, SnapshotPage, WatchSource};

/// Workers of the snapshot read at once.
const PAGE: u32 = 500;

pub(super) async fn handle(
    api: &Api,
    request: WatchWorkersRequest,
) -> Result<ResponseStream<WatchWorkersResponse>, Status> {
    let mut fields = Fields::default();
    fields.version("after_position", request.after_position);
    fields.finish()?;
    begin_streaming()?;

    let topic = Topic::Pattern(api.store.keys.channel(&format!("{CHANNELS}*")));
    let subscription = api.store.pubsub.subscribe(topic).await?;
    let workers = WorkerSource(api.store.clone());
    let after = request.after_position;
    Ok(watch::start(workers, subscription, after, &api.background))
}

/// All workers of the registry.
struct WorkerSource(Store);

impl WatchSource for WorkerSource {
    type Event = WatchWorkersResponse;
    type Change = Change;

    async fn page(&self, after: Option<&str>) -> Result<SnapshotPage<Self::Event>, Error> {
        let registry = &self.0.registry;
        let page = registry.list(&Filter::default(), after, PAGE).await?;
        Ok(SnapshotPage {
            position: page.position,
            events: page
                .workers
                .into_iter()
                .map(|w| response(Event::Worker(w)))
                .collect(),
            next: page.next,
        })
    }

    async fn changes(&self, after: u64) -> Result<Option<Vec<Change>>, Error> {
        self.0.registry.changes(after).await
    }

    fn position(change: &Change) -> u64 {
        change.position
    }

    async fn to_event(&self, change: Change) -> Result<Option<Self::Event>, Error> {
        let worker_id = change.worker_id;
        let worker = self.0.registry.get(worker_id).await?;
        Ok(Some(response(Event::Changed(WorkerChange {
            kind: change.kind.into(),
            position: change.position,
            worker: Some(worker.unwrap_or(Worker {
                worker_id: worker_id.to_string(),
                ..Default::default()
            })),
        }))))
    }

    fn synced(position: u64) -> Self::Event {
        response(Event::Synced(WorkersSynced { position }))
    }

    fn resync() -> Self::Event {
        response(Event::Resync(WorkersResync {}))
    }

    fn concerns(&self, _: &Publication) -> bool {
        true
    }
}

fn response(event: Event) -> WatchWorkersResponse {
    WatchWorkersResponse { event: Some(event) }
}
