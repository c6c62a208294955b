//! Following a stream of changes through breaks: opened again after the last position that was told.

use std::time::Duration;

use tonic::{Code, Response, Status, Streaming};

use crate::error::CliError;

const RECONNECT_BACKOFF: Duration = Duration::from_secs(1);

/// A stream, and who it is told to.
pub(crate) trait EventStream {
    /// What is told.
    type Event;
    /// Where in the stream an event is.
    type Position: Clone;

    /// Opens the stream after a position.
    async fn open(&self, after: Self::Position)
    -> Result<Response<Streaming<Self::Event>>, Status>;

    /// The stream was opened: half a snapshot of the one before is forgotten.
    fn on_open(&mut self) {}

    /// Takes an event, and yields where to go on after it.
    async fn on_event(&mut self, event: Self::Event) -> Result<Option<Self::Position>, CliError>;

    /// Told once when the service cannot be heard; it is sought until it can.
    fn on_disconnect(&mut self, why: &CliError) {
        eprintln!("waiting for the service: {why}");
    }

    /// Whether a stream that was ended by the service has told everything there will ever be.
    fn is_complete(&self) -> bool {
        false
    }
}

/// Tells every event until all is told, the output is closed or the service refuses.
pub(crate) async fn follow<F: EventStream>(
    from: F::Position,
    events: &mut F,
) -> Result<(), CliError> {
    let mut position = from;
    let mut reported = false;
    loop {
        let mut was_open = false;
        let lost = match events.open(position.clone()).await {
            Ok(stream) => {
                was_open = true;
                let mut stream = stream.into_inner();
                events.on_open();
                loop {
                    match stream.message().await {
                        Ok(Some(event)) => {
                            reported = false;
                            position = events.on_event(event).await?.unwrap_or(position);
                        }
                        Ok(None) if events.is_complete() => return Ok(()),
                        Ok(None) => break Status::unavailable("the service ended the stream"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        // A token that was replaced meanwhile is shown with the next try.
        let is_transient =
            is_transient(lost.code()) || was_open && lost.code() == Code::Unauthenticated;
        let failure = CliError::from(lost);
        if !is_transient {
            return Err(failure);
        }
        if !reported {
            events.on_disconnect(&failure);
            reported = true;
        }
        tokio::time::sleep(RECONNECT_BACKOFF).await;
    }
}

/// A broken connection, a restart and an overload pass by; whatever else is said is meant.
fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled
    )
}
