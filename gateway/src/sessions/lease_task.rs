//! The task that keeps one session lease: it holds the `AttachSession` stream open, sends a heartbeat every five seconds
//! or thrice within a shorter lease, attaches again when the service was away or the token was replaced, and ends with the lease.
//!
//! The task never starts the local stack: a user who stopped the stack meant it, and the next call starts it anyway.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::attach_session_response::Event;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, AttachSessionResponse, ClientInfo, Detach, GetSessionRequest,
    Heartbeat, LeaseGranted,
};
use shim_proto::reasons::{
    DATABASE_REPLACED, SESSION_ENDED, SESSION_NOT_FOUND, SESSION_OWNED, STALE_OWNER,
};
use shim_runtime::backoff::Backoff;
use shim_runtime::service_error::{decode, explanation};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::evidence::MemoryGauge;
use crate::services::Services;
use crate::sessions::seen_checkpoints::SeenCheckpoints;
use crate::sessions::session_lease::{LeaseLoss, SessionLease};
use crate::tool_error::ToolError;

/// Between two heartbeats at most, whatever the lease.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// A window that dies in such a delay is found by its lease alone, so the delay is short.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// How long the service may take to close the stream after a detach.
const DETACH_TIMEOUT: Duration = Duration::from_millis(800);

/// What keeps one lease.
#[derive(Clone)]
pub(super) struct LeaseTask {
    pub(super) lease: Arc<SessionLease>,
    pub(super) services: Arc<Services>,
    pub(super) seen: Arc<SeenCheckpoints>,
    pub(super) client: ClientInfo,
}

/// How one stream ended.
enum StreamEnd {
    /// The transport failed or the service is stopping: attach again.
    Interrupted,
    /// For good.
    Final,
}

impl LeaseTask {
    /// Keeps the lease until it is lost or the session is left.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        let mut is_warned = false;
        while !self.lease.is_lost() {
            match self.attach().await {
                Ok(StreamEnd::Final) => return,
                Ok(StreamEnd::Interrupted) => {
                    backoff.reset();
                    is_warned = false;
                }
                Err(status) if self.went_back(&status).await => self.lease.adopt_anew(),
                Err(status) => {
                    if let Some(loss) = self.final_loss(&status) {
                        return self.lease.mark_lost(loss);
                    }
                    tracing::debug!(session = self.lease.session_id, code = ?status.code(), "attaching failed");
                    if is_token_refusal(&status) && !is_warned {
                        is_warned = true;
                        tracing::warn!(
                            session = self.lease.session_id,
                            "not attached until the service takes our token: {}",
                            explanation(&status)
                        );
                    }
                }
            }
            tokio::select! {
                () = backoff.wait() => {}
                _ = self.lease.detach_requested() => return,
            }
        }
    }

    /// Opens a stream and follows it to its end.
    async fn attach(&self) -> Result<StreamEnd, Status> {
        let (requests, outgoing) = mpsc::channel(4);
        let attach = Attach {
            session_id: self.lease.session_id.clone(),
            epoch: self.lease.epoch(),
            client: Some(self.client.clone()),
        };
        let known = self.seen.newest(&self.lease.session_id);
        // The channel was made one line above and has room.
        let _ = requests.try_send(request(Message::Attach(attach)));
        let mut checkpoints = self.services.checkpoint_client();
        let events = checkpoints
            .attach_session(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        self.read_events(known, events, requests).await
    }

    async fn read_events(
        &self,
        known: u64,
        mut events: Streaming<AttachSessionResponse>,
        requests: mpsc::Sender<AttachSessionRequest>,
    ) -> Result<StreamEnd, Status> {
        let mut heartbeat = heartbeat_every(HEARTBEAT_INTERVAL);
        let mut is_attached = false;
        loop {
            tokio::select! {
                event = events.message() => match event {
                    Ok(Some(event)) => {
                        if let Some(Event::Lease(lease)) = &event.event {
                            is_attached = true;
                            self.note_lease(lease, known);
                            let interval = interval_within(lease);
                            if interval != heartbeat.period() {
                                heartbeat = heartbeat_every(interval);
                            }
                        }
                        if self.handle_event(event) { return Ok(StreamEnd::Final) }
                    }
                    Ok(None) => return Ok(StreamEnd::Interrupted),
                    Err(status) if is_attached && self.final_loss(&status).is_none() => {
                        return Ok(StreamEnd::Interrupted);
                    }
                    Err(status) => return Err(status),
                },
                _ = heartbeat.tick() => {
                    // A full channel means the service reads nothing: its lease check will speak for itself.
                    let memory = MemoryGauge::read_machine();
                    let _ = requests.try_send(request(Message::Heartbeat(Heartbeat { memory })));
                }
                reason = self.lease.detach_requested() => {
                    detach(events, requests, reason).await;
                    return Ok(StreamEnd::Final);
                }
            }
        }
    }

    /// The session may be further than this process knew, or behind it, after a backup was restored.
    fn note_lease(&self, lease: &LeaseGranted, known: u64) {
        let session_id = &self.lease.session_id;
        self.seen.note_owned(session_id, lease.epoch);
        let notice = lease
            .head_number
            .and_then(|head| self.seen.note_head(session_id, known, head));
        if let Some(notice) = notice {
            self.lease.notify(notice);
        }
    }

    /// Whether the service knows an earlier epoch of the session than this process had: then no other client took it, but a
    /// backup was restored.
    async fn went_back(&self, status: &Status) -> bool {
        if decode(status).reason != STALE_OWNER || self.lease.epoch() == 0 {
            return false;
        }
        let request = GetSessionRequest {
            session_id: self.lease.session_id.clone(),
        };
        let answer = self.services.get_session(request).await;
        let session = answer.ok().and_then(|answer| answer.session);
        session.is_some_and(|session| self.seen.is_behind(&session.id, session.epoch))
    }

    /// Whether the event ends the lease.
    fn handle_event(&self, event: AttachSessionResponse) -> bool {
        match event.event {
            Some(Event::Lease(lease)) => self.lease.mark_held(lease.epoch),
            Some(Event::Notice(notice)) => self.lease.notify(notice),
            Some(Event::OwnershipLost(lost)) => {
                self.lease.mark_taken_over(lost);
                return true;
            }
            None => {}
        }
        false
    }

    /// What an attach that was refused means; `None` if it is worth another try.
    fn final_loss(&self, status: &Status) -> Option<LeaseLoss> {
        let refused = || Some(LeaseLoss::Refused(ToolError::from(status.clone())));
        match decode(status).reason.as_str() {
            // It may be mended, and the session is there again.
            DATABASE_REPLACED => None,
            STALE_OWNER => Some(LeaseLoss::TakenOver { owner: None }),
            SESSION_ENDED | SESSION_NOT_FOUND => refused(),
            // An owner that reconnects may still meet its own old stream; only an adoption is refused by it.
            SESSION_OWNED if self.lease.epoch() != 0 => None,
            // The next try shows what the token file holds by then. Until the service takes one, it tells every call of the
            // owner what is wrong.
            _ if is_token_refusal(status) && self.lease.epoch() != 0 => None,
            _ => match status.code() {
                Code::FailedPrecondition
                | Code::InvalidArgument
                | Code::NotFound
                | Code::PermissionDenied
                | Code::Unauthenticated => refused(),
                _ => None,
            },
        }
    }
}

fn heartbeat_every(interval: Duration) -> Interval {
    let mut heartbeat = tokio::time::interval(interval);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}

/// So often that two heartbeats may get lost within the lease.
fn interval_within(lease: &LeaseGranted) -> Duration {
    let ttl = lease.ttl.and_then(|ttl| Duration::try_from(ttl).ok());
    ttl.map_or(HEARTBEAT_INTERVAL, |ttl| {
        (ttl / 3).clamp(SHORTEST_INTERVAL, HEARTBEAT_INTERVAL)
    })
}

/// Whether another token would do: ours is not taken, or its role is too weak.
fn is_token_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated | Code::PermissionDenied
    )
}

fn request(message: Message) -> AttachSessionRequest {
    AttachSessionRequest {
        message: Some(message),
    }
}

/// Detaches and waits for the service to close the stream, so the detach is known to have arrived.
async fn detach(
    mut events: Streaming<AttachSessionResponse>,
    requests: mpsc::Sender<AttachSessionRequest>,
    reason: String,
) {
    let detached = async {
        let _ = requests
            .send(request(Message::Detach(Detach { reason })))
            .await;
        drop(requests);
        while let Ok(Some(_)) = events.message().await {}
    };
    if tokio::time::timeout(DETACH_TIMEOUT, detached)
        .await
        .is_err()
    {
        tracing::debug!("the service did not close the stream after the detach");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_lease_gets_heartbeats_more_often() {
        let interval = |ttl: Option<i64>| {
            let ttl = ttl.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
            interval_within(&LeaseGranted {
                epoch: 1,
                ttl,
                head_number: None,
            })
        };
        for (ttl, expected) in [
            (None, 5_000),
            (Some(15), 5_000),
            (Some(600), 5_000),
            (Some(3), 1_000),
        ] {
            assert_eq!(interval(ttl), Duration::from_millis(expected), "{ttl:?}");
        }
        assert_eq!(interval(Some(0)), SHORTEST_INTERVAL);
        assert_eq!(interval(Some(-1)), HEARTBEAT_INTERVAL);
    }
}
