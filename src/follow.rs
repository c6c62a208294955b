//! Following a stream of changes through breaks: opened again after the last position that was told.

use std::io::Write;
use std::time::Duration;

use tonic::{Code, Response, Status, Streaming};

use crate::failure::Failure;

const PAUSE: Duration = Duration::from_secs(1);

/// Tells every event until the output is closed or the service refuses. `open` gets the position to go on after; `tell`
/// gets `None` when a stream is opened, so that half a snapshot is forgotten, and yields the position of an event.
pub(crate) async fn follow<E>(
    from: u64,
    out: &mut dyn Write,
    mut open: impl AsyncFnMut(u64) -> Result<Response<Streaming<E>>, Status>,
    mut tell: impl FnMut(Option<E>, &mut dyn Write) -> Result<Option<u64>, Failure>,
) -> Result<(), Failure> {
    let mut position = from;
    let mut complained = false;
    loop {
        let lost = match open(position).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                tell(None, out)?;
                loop {
                    match stream.message().await {
                        Ok(Some(event)) => {
                            complained = false;
                            position = tell(Some(event), out)?.unwrap_or(position);
                            out.flush()?;
                        }
                        Ok(None) => break Status::unavailable("the service ended the stream"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        let passes = passes(lost.code());
        let failure = Failure::from(lost);
        if !passes {
            return Err(failure);
        }
        if !complained {
            eprintln!("waiting for the service: {failure}");
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
