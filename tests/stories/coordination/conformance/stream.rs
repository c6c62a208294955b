//! Reads the streams of the story.

use std::time::Duration;

use tonic::Streaming;

/// Events come at once; a dead worker is found after five seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The next message of a stream.
pub(super) async fn next<T>(stream: &mut Streaming<T>) -> T {
    let message = tokio::time::timeout(TIMEOUT, stream.message()).await;
    message
        .expect("an event comes in time")
        .unwrap()
        .expect("the stream goes on")
}
