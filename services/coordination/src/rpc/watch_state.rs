//! WatchState: a snapshot of the entries of a namespace, then every change.

use shim_proto::coordination::v1::watch_state_response::Event;
use shim_proto::coordination::v1::{
    StateChange, StateResync, StateSynced, WatchStateRequest, WatchStateResponse,
};
use shim_runtime::rpc::ResponseStream;
use shim_runtime::server::begin_streaming;
use shim_store::state::{Change, StateRef, UPDATED};
use shim_store::{Error, Publication, Store, Topic};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::watch::{self, SnapshotPage, WatchSource};

/// Entries of the snapshot read at once.
const PAGE: u32 = 500;

pub(super) async fn handle(
    api: &Api,
    request: WatchStateRequest,
) -> Result<ResponseStream<WatchStateResponse>, Status> {
    let mut fields = Fields::default();
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key_prefix("key_prefix", &request.key_prefix);
    fields.version("after_version", request.after_version);
    fields.finish()?;
    begin_streaming()?;

    let topic = Topic::Channel(api.store.keys.channel(UPDATED));
    let subscription = api.store.pubsub.subscribe(topic).await?;
    let entries = StateSource {
        store: api.store.clone(),
        namespace,
        prefix: request.key_prefix,
    };
    let after = request.after_version;
    Ok(watch::start(entries, subscription, after, &api.background))
}

/// The entries of a namespace whose keys begin with a prefix.
struct StateSource {
    store: Store,
    namespace: String,
    prefix: String,
}

impl WatchSource for StateSource {
    type Event = WatchStateResponse;
    type Change = Change;

    async fn page(&self, after: Option<&str>) -> Result<SnapshotPage<Self::Event>, Error> {
        let states = &self.store.state;
        let page = states
            .list(&self.namespace, &self.prefix, after, PAGE)
            .await?;
        Ok(SnapshotPage {
            position: page.version,
            events: page
                .entries
                .into_iter()
                .map(|e| response(Event::Entry(e)))
                .collect(),
            next: page.next,
        })
    }

    async fn changes(&self, after: u64) -> Result<Option<Vec<Change>>, Error> {
        self.store.state.changes(&self.namespace, after).await
    }

    fn position(change: &Change) -> u64 {
        change.version
    }

    async fn to_event(&self, change: Change) -> Result<Option<Self::Event>, Error> {
        if !change.key.starts_with(&self.prefix) {
            return Ok(None);
        }
        let state_ref = StateRef {
            namespace: self.namespace.clone(),
            key: change.key,
        };
        let entry = self.store.state.get(&state_ref).await?;
        Ok(Some(response(Event::Changed(StateChange {
            kind: change.kind.into(),
            namespace: state_ref.namespace,
            key: state_ref.key,
            version: change.version,
            entry,
        }))))
    }

    fn synced(version: u64) -> Self::Event {
        response(Event::Synced(StateSynced { version }))
    }

    fn resync() -> Self::Event {
        response(Event::Resync(StateResync {}))
    }

    fn concerns(&self, publication: &Publication) -> bool {
        publication.data.get("namespace").and_then(|n| n.as_str()) == Some(&self.namespace)
    }

    /// Expired entries enter the history here: Redis writes no change when it expires a key.
    async fn sweep(&self) -> Result<(), Error> {
        self.store.state.sweep(&self.namespace).await
    }
}

fn response(event: Event) -> WatchStateResponse {
    WatchStateResponse { event: Some(event) }
}
