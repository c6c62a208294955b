//! What all watches share: a snapshot, then every change, with nothing missed in between.
//!
//! A watch notes the position of the snapshot's first page and follows the history from there, so a change that falls
//! into the snapshot may be told twice, never not at all. Publications only wake it; if one is missed, it looks by
//! itself.

use std::time::Duration;

use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::rpc::ResponseStream;
use shim_store::{Error, Publication, TopicSubscription};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Events that may wait for a slow watcher; then the stream reads no further.
const EVENT_BUFFER: usize = 64;
/// How often a watcher looks by itself.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// A page of a snapshot.
pub(super) struct SnapshotPage<Event> {
    /// Everything up to here is in the page, perhaps more.
    pub(super) position: u64,
    pub(super) events: Vec<Event>,
    /// The name to go on after.
    pub(super) next: Option<String>,
}

/// What can be watched: things that are listed in pages and keep a history of their changes.
pub(super) trait WatchSource: Send + Sync + 'static {
    /// What is told.
    type Event: Send + 'static;
    /// What the history holds.
    type Change: Send;

    /// What is there now, in the order of its names, after one.
    fn page(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<SnapshotPage<Self::Event>, Error>> + Send;

    /// What came after a position, in order; `None` if the history does not reach back so far.
    fn changes(
        &self,
        after: u64,
    ) -> impl Future<Output = Result<Option<Vec<Self::Change>>, Error>> + Send;

    /// Where in the history a change is.
    fn position(change: &Self::Change) -> u64;

    /// A change as it is told; `None` if it does not concern the watcher.
    fn to_event(
        &self,
        change: Self::Change,
    ) -> impl Future<Output = Result<Option<Self::Event>, Error>> + Send;

    /// The snapshot is whole up to a position.
    fn synced(position: u64) -> Self::Event;

    /// A new snapshot follows.
    fn resync() -> Self::Event;

    /// Whether news may have made history for the watcher.
    fn concerns(&self, publication: &Publication) -> bool;

    /// Makes history of what nobody told, before the watcher looks by itself.
    fn sweep(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// Starts a watch after a position, or with a snapshot if that is 0. The task behind the stream ends with the stream,
/// the store or the service.
pub(super) fn start<W: WatchSource>(
    source: W,
    subscription: TopicSubscription,
    after: u64,
    background: &BackgroundTasks,
) -> ResponseStream<W::Event> {
    let (events, stream) = mpsc::channel(EVENT_BUFFER);
    let watch = SourceWatch {
        source,
        events: events.clone(),
    };
    let shutdown = background.shutdown().clone();
    background.spawn_stream("watch", events, watch.run(subscription, after, shutdown));
    ReceiverStream::new(stream)
}

struct SourceWatch<W: WatchSource> {
    source: W,
    events: mpsc::Sender<Result<W::Event, Status>>,
}

impl<W: WatchSource> SourceWatch<W> {
    async fn run(self, subscription: TopicSubscription, after: u64, shutdown: Shutdown) {
        let failed = tokio::select! {
            followed = self.follow(subscription, after) => followed.err(),
            () = self.events.closed() => None,
            () = shutdown.wait() => Some(Error::Stopping),
        };
        if let Some(error) = failed {
            let _ = self.events.send(Err(error.into())).await;
        }
    }

    async fn follow(&self, mut subscription: TopicSubscription, after: u64) -> Result<(), Error> {
        let mut position = match after {
            0 => self.snapshot().await?,
            after => after,
        };
        loop {
            match self.catch_up(position).await? {
                Some(caught_up) => position = caught_up,
                None => {
                    self.send(W::resync()).await;
                    position = self.snapshot().await?;
                }
            }
            tokio::select! {
                () = subscription.wait_for(|publication| self.source.concerns(publication)) => {}
                () = tokio::time::sleep(POLL_EVERY) => self.sweep().await,
            }
        }
    }

    /// Who can read goes on, even if nothing can be written.
    async fn sweep(&self) {
        if let Err(error) = self.source.sweep().await {
            tracing::debug!(%error, "what went by itself was not told");
        }
    }

    /// Tells what is there; returns the position from which changes must be told.
    async fn snapshot(&self) -> Result<u64, Error> {
        let mut position = None;
        let mut after = None;
        loop {
            let page = self.source.page(after.as_deref()).await?;
            let position = *position.get_or_insert(page.position);
            for event in page.events {
                self.send(event).await;
            }
            after = page.next;
            if after.is_none() {
                self.send(W::synced(position)).await;
                return Ok(position);
            }
        }
    }

    /// Tells what changed after a position; `None` if the history does not reach back so far.
    async fn catch_up(&self, mut position: u64) -> Result<Option<u64>, Error> {
        loop {
            let Some(changes) = self.source.changes(position).await? else {
                return Ok(None);
            };
            let Some(last) = changes.last() else {
                return Ok(Some(position));
            };
            position = W::position(last);
            for change in changes {
                if let Some(event) = self.source.to_event(change).await? {
                    self.send(event).await;
                }
            }
        }
    }

    /// A watcher that left closes the stream, which ends the task.
    async fn send(&self, event: W::Event) {
        let _ = self.events.send(Ok(event)).await;
    }
}
