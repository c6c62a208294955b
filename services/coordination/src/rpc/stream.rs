//! The task behind a response stream, and when it ends.

use shim_runtime::background::BackgroundTasks;
use shim_runtime::rpc::ResponseStream;
use shim_store::Error;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Where a stream's task puts its events.
pub(super) type EventSender<Event> = mpsc::Sender<Result<Event, Status>>;

/// Starts the task that `produce` makes of the stream's sender. The task ends with the client's stream, with the service, or
/// with its own error; the client reads the last two as the end of its stream. `buffer` events wait for a slow client.
pub(super) fn start<Event, Work>(
    background: &BackgroundTasks,
    name: &'static str,
    buffer: usize,
    produce: impl FnOnce(EventSender<Event>) -> Work,
) -> ResponseStream<Event>
where
    Event: Send + 'static,
    Work: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (events, stream) = mpsc::channel(buffer);
    let work = produce(events.clone());
    let (client, shutdown) = (events.clone(), background.shutdown().clone());
    background.spawn_stream(name, events, async move {
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = client.closed() => Ok(()),
            () = shutdown.wait() => Err(Error::Stopping),
        };
        if let Err(error) = outcome {
            let _ = client.send(Err(error.into())).await;
        }
    });
    ReceiverStream::new(stream)
}
