//! What the watches of state and of workers share: a snapshot, then every change, with nothing missed in between.
//!
//! A watch notes the position of the snapshot's first page and follows the history from there: a change that falls into the
//! snapshot may be sent twice, and is never left out. Publications only wake the watch. It also polls, so a lost publication
//! delays a change and loses none.

use std::time::Duration;

use shim_runtime::background::BackgroundTasks;
use shim_runtime::rpc::ResponseStream;
use shim_store::{Error, Publication, TopicSubscription};

use super::stream::{self, EventSender};

/// Events that wait for a slow client; while the buffer is full, the history is not read on.
pub(super) const EVENT_BUFFER: usize = 64;
/// How often a watch reads the history without a publication.
pub(super) const POLL_EVERY: Duration = Duration::from_secs(1);

/// A page of a snapshot.
pub(super) struct SnapshotPage<Event> {
    /// The page holds every change up to this position, and may hold later ones.
    pub(super) position: u64,
    pub(super) events: Vec<Event>,
    /// The name after which the next page begins; `None` on the last page.
    pub(super) next: Option<String>,
}

/// What can be watched: items that are listed in pages and keep a history of their changes.
pub(super) trait WatchSource: Send + Sync + 'static {
    /// What the client receives.
    type Event: Send + 'static;
    /// An entry of the history.
    type Change: Send;

    /// A page of the present items, in the order of their names, after one name.
    fn page(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<SnapshotPage<Self::Event>, Error>> + Send;

    /// The changes after a position, in order; `None` if the history does not reach back to it.
    fn changes(
        &self,
        after: u64,
    ) -> impl Future<Output = Result<Option<Vec<Self::Change>>, Error>> + Send;

    /// The position of a change in the history.
    fn position(change: &Self::Change) -> u64;

    /// The event of a change; `None` if the change is outside of the watch.
    fn to_event(
        &self,
        change: Self::Change,
    ) -> impl Future<Output = Result<Option<Self::Event>, Error>> + Send;

    /// The event that ends a snapshot, which is complete up to a position.
    fn synced(position: u64) -> Self::Event;

    /// The event that announces a new snapshot.
    fn resync() -> Self::Event;

    /// Whether a publication may announce a change inside the watch.
    fn concerns(&self, publication: &Publication) -> bool;

    /// Writes into the history what happened without a writer, such as an expiry. Runs before each poll.
    fn sweep(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// Starts a watch after a position of the history; position 0 asks for a snapshot first.
pub(super) fn start<W: WatchSource>(
    source: W,
    subscription: TopicSubscription,
    after: u64,
    background: &BackgroundTasks,
) -> ResponseStream<W::Event> {
    stream::start(background, "watch", EVENT_BUFFER, |events| {
        SourceWatch { source, events }.follow(subscription, after)
    })
}

struct SourceWatch<W: WatchSource> {
    source: W,
    events: EventSender<W::Event>,
}

impl<W: WatchSource> SourceWatch<W> {
    async fn follow(self, mut subscription: TopicSubscription, after: u64) -> Result<(), Error> {
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

    /// A failed sweep does not end the watch: the history can still be read while nothing can be written.
    async fn sweep(&self) {
        if let Err(error) = self.source.sweep().await {
            tracing::debug!(%error, "the history lacks what expired since the last sweep");
        }
    }

    /// Sends the present items; returns the position from which changes must be sent.
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

    /// Sends the changes after a position; `None` if the history does not reach back to it.
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

    /// A failed send needs no handling: the client closed the stream, which ends this task.
    async fn send(&self, event: W::Event) {
        let _ = self.events.send(Ok(event)).await;
    }
}
