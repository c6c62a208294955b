//! One session this process holds: its epoch, the state of its lease, and the notices that came for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prost_types::Timestamp;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{ClientInfo, Notice, OwnershipLost};
use shim_proto::reasons::STALE_OWNER;
use shim_render::time;
use shim_runtime::conversation;
use tokio::sync::watch;

use crate::render::phrases;
use crate::tool_error::ToolError;

/// Beyond this many unread notices the oldest is dropped.
const MAX_NOTICES: usize = 50;

/// A session this process holds or held. Its lease task changes it; calls read it.
#[derive(Debug)]
pub(crate) struct SessionLease {
    pub(crate) session_id: String,
    /// The client's conversation that it is held for; empty if the client names none.
    pub(super) conversation: String,
    /// Its project, where it is known without asking the service.
    pub(crate) project: Option<String>,
    state: watch::Sender<LeaseState>,
    detach_reason: watch::Sender<Option<String>>,
    notices: Mutex<VecDeque<Notice>>,
}

/// The state of a lease.
#[derive(Debug, Clone)]
pub(crate) enum LeaseState {
    /// Not answered yet. The epoch is 0 while the session is being adopted.
    Attaching { epoch: u64 },
    /// The lease is granted, or was and is being renewed.
    Held { epoch: u64 },
    /// It cannot be held any more.
    Lost(LeaseLoss),
}

/// Why a session is not held.
#[derive(Debug, Clone)]
pub(crate) enum LeaseLoss {
    /// Another client restored it.
    TakenOver { owner: Option<Box<ClientInfo>> },
    /// It was ended or deleted, or adopting it was refused.
    Refused(ToolError),
}

impl SessionLease {
    /// A lease at `epoch`, for a conversation; 0 adopts.
    pub(crate) fn new(
        session_id: &str,
        epoch: u64,
        project: Option<String>,
        conversation: &str,
    ) -> Self {
        Self {
            session_id: session_id.to_owned(),
            conversation: conversation.to_owned(),
            project,
            state: watch::Sender::new(LeaseState::Attaching { epoch }),
            detach_reason: watch::Sender::new(None),
            notices: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> LeaseState {
        self.state.borrow().clone()
    }

    /// The epoch to attach with; 0 adopts.
    pub(crate) fn epoch(&self) -> u64 {
        match *self.state.borrow() {
            LeaseState::Attaching { epoch } | LeaseState::Held { epoch } => epoch,
            LeaseState::Lost(_) => 0,
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(*self.state.borrow(), LeaseState::Lost(_))
    }

    /// Whether another gateway of this very client took it, for the same conversation. Then it is not lost to the caller.
    pub(crate) fn is_lost_to_same_client(&self, client: &ClientInfo) -> bool {
        matches!(
            &*self.state.borrow(),
            LeaseState::Lost(LeaseLoss::TakenOver { owner: Some(owner) })
                if conversation::is_same_client(owner, client)
        )
    }

    /// Whether another client took it, and it is not known which.
    fn is_lost_to_unknown(&self) -> bool {
        matches!(
            *self.state.borrow(),
            LeaseState::Lost(LeaseLoss::TakenOver { owner: None })
        )
    }

    /// Whether another client took it.
    pub(crate) fn is_taken_over(&self) -> bool {
        matches!(
            *self.state.borrow(),
            LeaseState::Lost(LeaseLoss::TakenOver { .. })
        )
    }

    /// Which client took it.
    pub(crate) fn name_owner(&self, owner: Option<ClientInfo>) {
        if self.is_lost_to_unknown() {
            let owner = owner.map(Box::new);
            self.mark_lost(LeaseLoss::TakenOver { owner });
        }
    }

    pub(crate) fn mark_held(&self, epoch: u64) {
        self.state.send_replace(LeaseState::Held { epoch });
    }

    /// The next attach adopts the session, at whatever epoch it has.
    pub(crate) fn adopt_anew(&self) {
        self.state.send_replace(LeaseState::Attaching { epoch: 0 });
    }

    pub(crate) fn mark_lost(&self, loss: LeaseLoss) {
        self.state.send_replace(LeaseState::Lost(loss));
    }

    /// Another client took it: says so to the next caller, too.
    pub(crate) fn mark_taken_over(&self, lost: OwnershipLost) {
        let owner = lost.owner.map(Box::new);
        let text = format!(
            "session {} was restored by {}",
            self.session_id,
            phrases::client(owner.as_deref())
        );
        let at = Some(Timestamp::from(std::time::SystemTime::now()));
        self.notify(Notice {
            kind: "ownership_lost".to_owned(),
            text,
            at,
        });
        self.mark_lost(LeaseLoss::TakenOver { owner });
    }

    /// Waits until the service answered the attach.
    pub(crate) async fn wait_settled(&self) -> LeaseState {
        let mut state = self.state.subscribe();
        // The sender lives as long as this lease, so waiting cannot fail.
        let _ = state
            .wait_for(|state| !matches!(state, LeaseState::Attaching { .. }))
            .await;
        self.state()
    }

    pub(crate) fn notify(&self, notice: Notice) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() == MAX_NOTICES {
            notices.pop_front();
        }
        notices.push_back(notice);
    }

    /// The notices since the last call.
    pub(crate) fn take_notices(&self) -> Vec<Value> {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices
            .drain(..)
            .map(|notice| json!({"kind": notice.kind, "text": notice.text, "at": time::rfc3339(notice.at.as_ref())}))
            .collect()
    }

    /// Asks the lease task to detach in good order.
    pub(crate) fn request_detach(&self, reason: &str) {
        self.detach_reason.send_replace(Some(reason.to_owned()));
    }

    /// Waits for the reason to detach.
    pub(crate) async fn detach_requested(&self) -> String {
        let mut detach_reason = self.detach_reason.subscribe();
        // The sender lives as long as this lease, so waiting cannot fail.
        let _ = detach_reason.wait_for(Option::is_some).await;
        self.detach_reason.borrow().clone().unwrap_or_default()
    }
}

impl LeaseLoss {
    /// The loss as the answer to the next call.
    pub(crate) fn to_error(&self, session_id: &str) -> ToolError {
        match self {
            Self::TakenOver { owner } => ToolError::new(
                STALE_OWNER,
                format!(
                    "session {session_id} was restored by {}; this process does not own it any more and saved nothing",
                    phrases::client(owner.as_deref()),
                ),
            )
            .next_step(format!(
                "go on in the other client, or start another session here with shim_auto_checkpoint session_id=new; once \
                 the other client is closed, shim_check_recovery action=restore session_id={session_id} takes the \
                 session back"
            ))
            .about(session_id),
            Self::Refused(error) => error.clone().about(session_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_notices_are_kept_and_delivered_once() {
        let lease = SessionLease::new("s", 1, None, "");
        for number in 0..=MAX_NOTICES {
            lease.notify(Notice {
                kind: "risk_raised".into(),
                text: number.to_string(),
                at: None,
            });
        }
        let notices = lease.take_notices();
        assert_eq!(notices.len(), MAX_NOTICES);
        assert_eq!(notices[0]["text"], "1");
        assert!(lease.take_notices().is_empty());
    }

    #[tokio::test]
    async fn a_taken_session_says_by_whom_and_how_to_get_it_back() {
        let lease = SessionLease::new("s", 1, None, "");
        let owner = ClientInfo {
            name: "claude-code".into(),
            ..ClientInfo::default()
        };
        lease.mark_taken_over(OwnershipLost {
            epoch: 2,
            owner: Some(owner),
        });
        let LeaseState::Lost(loss) = lease.wait_settled().await else {
            panic!("still held")
        };
        let text = loss.to_error("s").text().to_string();
        assert!(
            text.contains("claude-code") && text.contains("action=restore session_id=s"),
            "{text}"
        );
    }
}
