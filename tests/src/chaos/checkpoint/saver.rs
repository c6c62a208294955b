//! One saver: it saves one checkpoint after the other in its own session and never gives a request up. A save whose
//! answer was lost is sent again with the same request id; now and then a save is sent twice at once.

use std::sync::Arc;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{Checkpoint, SaveCheckpointRequest, Session};
use shim_runtime::client::Channel;
use tokio::sync::watch;
use tonic::{Code, Status};

use super::saver_acks::{Acknowledged, SaverAcks};
use crate::rng::SeededRng;
use crate::{calls, sample_content};

/// One save in so many is sent twice at the same moment.
const TWIN_ODDS: u64 = 16;
/// States are this large at most.
const MAX_STATE_BYTES: u64 = 8 * 1024;

/// What the savers may do now.
#[derive(Debug, Clone)]
pub(super) enum Gate {
    /// Nothing: the service is down or being examined.
    Closed,
    /// Save over this connection.
    Open(CheckpointServiceClient<Channel>),
    /// Bring the save in hand to its end over this connection, then stop.
    Last(CheckpointServiceClient<Channel>),
}

impl Gate {
    fn connection(&self) -> Option<CheckpointServiceClient<Channel>> {
        match self {
            Self::Closed => None,
            Self::Open(client) | Self::Last(client) => Some(client.clone()),
        }
    }
}

/// What a saver works on.
pub(super) struct Saver {
    pub(super) session: Session,
    pub(super) acks: Arc<SaverAcks>,
    pub(super) rng: SeededRng,
    pub(super) gate: watch::Receiver<Gate>,
}

impl Saver {
    /// Saves until the gate says it was the last. An answer that no retry can mend ends it with the reason.
    pub(super) async fn work(mut self) -> Result<(), Status> {
        let mut step = 0_u64;
        while !matches!(*self.gate.borrow(), Gate::Last(_)) {
            step += 1;
            let task = format!("{} step {step}", self.session.title);
            let bytes = usize::try_from(self.rng.within(64..MAX_STATE_BYTES)).unwrap_or_default();
            let state = sample_content::state(&mut self.rng, &task, bytes);
            let request = calls::save_request(&self.session, state.clone());
            let header = self.save(&request).await?;
            self.acks.record(Acknowledged {
                header,
                sent: state,
            });
        }
        Ok(())
    }

    /// Sends `request` until it is acknowledged.
    async fn save(&mut self, request: &SaveCheckpointRequest) -> Result<Checkpoint, Status> {
        loop {
            let client = self.connection().await?;
            let outcome = if self.rng.one_in(TWIN_ODDS) {
                self.send_twice(client.clone(), request).await
            } else {
                send(client, request).await
            };
            match outcome {
                Ok(header) => return Ok(header),
                Err(status) if may_be_sent_again(&status) => self.next_gate().await,
                Err(status) => return Err(status),
            }
        }
    }

    /// Sends the same request twice at once; both answers must tell of the same checkpoint.
    async fn send_twice(
        &self,
        client: CheckpointServiceClient<Channel>,
        request: &SaveCheckpointRequest,
    ) -> Result<Checkpoint, Status> {
        let (one, other) = tokio::join!(send(client.clone(), request), send(client, request));
        if let (Ok(one), Ok(other)) = (&one, &other) {
            self.acks.compare(one, other);
        }
        one.or(other)
    }

    /// Waits until the gate is open.
    async fn connection(&mut self) -> Result<CheckpointServiceClient<Channel>, Status> {
        let open = self.gate.wait_for(|gate| gate.connection().is_some()).await;
        let connection = open.ok().and_then(|gate| gate.connection());
        connection.ok_or_else(|| Status::aborted("the panel ended with this save in hand"))
    }

    /// Waits until the gate changes: the connection that just failed is of no more use.
    async fn next_gate(&mut self) {
        // An error means that the gate is gone; the next look at it finds that.
        let _ = self.gate.changed().await;
    }
}

async fn send(
    mut client: CheckpointServiceClient<Channel>,
    request: &SaveCheckpointRequest,
) -> Result<Checkpoint, Status> {
    let answer = client.save_checkpoint(request.clone()).await?.into_inner();
    answer
        .checkpoint
        .ok_or_else(|| Status::data_loss("SaveCheckpoint answered without a checkpoint"))
}

/// The service was killed under the call: the transport says UNAVAILABLE or, with the stream cut midway, CANCELLED,
/// UNKNOWN or INTERNAL from the HTTP/2 layer. Only statuses that the client made itself carry a source.
fn may_be_sent_again(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}
