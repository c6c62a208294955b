//! Following a stream of changes through breaks: opened again after the last position that was told.

use std::time::Duration;

use tonic::{Code, Response, Status, Streaming};

use crate::failure::Failure;

const PAUSE: Duration = Duration::from_secs(1);

/// A stream, and who it is told to.
pub(crate) trait Followed {
    /// What is told.
    type Event;
    /// Where in the stream an event is.
    type Position: Clone;

    /// Opens the stream after a position.
    async fn open(&self, after: Self::Position)
    -> Result<Response<Streaming<Self::Event>>, Status>;

    /// The stream was opened: half a snapshot of the one before is forgotten.
    fn opened(&mut self) {}

    /// Takes an event, and yields where to go on after it.
    async fn hear(&mut self, event: Self::Event) -> Result<Option<Self::Position>, Failure>;

    /// Told once when the service cannot be heard; it is sought until it can.
    fn lost(&mut self, why: &Failure) {
        eprintln!("waiting for the service: {why}");
    }

    /// Whether a stream that was ended by the service has told everything there will ever be.
    fn is_told(&self) -> bool {
        false
    }
}

/// Tells every event until all is told, the output is closed or the service refuses.
pub(crate) async fn follow<F: Followed>(
    from: F::Position,
    followed: &mut F,
) -> Result<(), Failure> {
    let mut position = from;
    let mut complained = false;
    loop {
        let mut was_open = false;
        let lost = match followed.open(position.clone()).await {
            Ok(stream) => {
                was_open = true;
                let mut stream = stream.into_inner();
                followed.opened();
                loop {
                    match stream.message().await {
                        Ok(Some(event)) => {
                            complained = false;
                            position = followed.hear(event).await?.unwrap_or(position);
                        }
                        Ok(None) if followed.is_told() => return Ok(()),
                        Ok(None) => break Status::unavailable("the service ended the stream"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        // A token that was replaced meanwhile is shown with the next try.
        let passes = passes(lost.code()) || was_open && lost.code() == Code::Unauthenticated;
        let failure = Failure::from(lost);
        if !passes {
            return Err(failure);
        }
        if !complained {
            followed.lost(&failure);
            complained = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A broken connection, a restart and an overload pass by; whatever else is said is meant.
fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled
    )
}
