//! Following a stream of changes through breaks: it is opened again after the position of the last event.

use std::time::Duration;

use tonic::{Code, Response, Status, Streaming};

use crate::connection::call;
use crate::error::CliError;
use crate::output::say;

const RECONNECT_BACKOFF: Duration = Duration::from_secs(1);

/// A stream of a service, and what is done with its events.
pub(crate) trait EventStream {
    /// A message of the stream.
    type Event;
    /// Where in the stream an event is.
    type Position: Clone;

    /// Opens the stream after a position.
    async fn open(&self, after: Self::Position)
    -> Result<Response<Streaming<Self::Event>>, Status>;

    /// The stream was opened anew: part of a snapshot of the former stream is dropped.
    fn on_open(&mut self) {}

    /// Takes an event, and yields the position to go on from, if it changed.
    async fn on_event(&mut self, event: Self::Event) -> Result<Option<Self::Position>, CliError>;

    /// The connection is lost; called once for each break, while it is tried again.
    fn on_disconnect(&mut self, why: &CliError) {
        say::line(format_args!("waiting for the service: {why}"));
    }

    /// Whether no event can follow, so that the end of the stream is the end of the command.
    fn is_complete(&self) -> bool {
        false
    }
}

/// Hands on every event until the stream is complete, the output is closed or the service refuses.
///
/// # Errors
/// If the service refuses, or an event cannot be handed on; breaks of the connection are waited out.
pub(crate) async fn follow<F: EventStream>(
    from: F::Position,
    events: &mut F,
) -> Result<(), CliError> {
    let mut position = from;
    let mut reported = false;
    loop {
        let opened = call(events.open(position.clone())).await;
        let was_open = opened.is_ok();
        let lost = match opened {
            Ok(stream) => {
                events.on_open();
                let read = Progress {
                    position: &mut position,
                    reported: &mut reported,
                };
                match read.drain(stream, events).await? {
                    Some(lost) => lost,
                    None => return Ok(()),
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

/// How far a stream was read, and whether its present break was reported.
struct Progress<'a, P> {
    position: &'a mut P,
    reported: &'a mut bool,
}

impl<P: Clone> Progress<'_, P> {
    /// Reads one stream to its end: the status that broke it, or `None` if it is complete.
    async fn drain<F: EventStream<Position = P>>(
        self,
        mut stream: Streaming<F::Event>,
        events: &mut F,
    ) -> Result<Option<Status>, CliError> {
        loop {
            match stream.message().await {
                Ok(Some(event)) => {
                    *self.reported = false;
                    if let Some(next) = events.on_event(event).await? {
                        *self.position = next;
                    }
                }
                Ok(None) if events.is_complete() => return Ok(None),
                Ok(None) => return Ok(Some(Status::unavailable("the service ended the stream"))),
                Err(status) => return Ok(Some(status)),
            }
        }
    }
}

/// A broken connection, a restart and an overload pass by; every other status is final.
fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled
    )
}
