//! One session this process holds: its epoch, whether its lease stands, and the news that came for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prost_types::Timestamp;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{ClientInfo, Notice, OwnershipLost};
use tokio::sync::watch;

use crate::problem::Problem;
use crate::wording;

/// News nobody asked for is dropped from the oldest on.
const MAX_NOTICES: usize = 50;

/// A session this process holds or held. Its keeper changes it; calls read it.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) session_id: String,
    /// Its project, where it is known without asking the service.
    pub(crate) project: Option<String>,
    standing: watch::Sender<Standing>,
    leaving: watch::Sender<Option<String>>,
    notices: Mutex<VecDeque<Notice>>,
}

/// How a hold stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// Not answered yet. The epoch is 0 while the session is being adopted.
    Attaching { epoch: u64 },
    /// The lease is granted, or was and is being renewed.
    Held { epoch: u64 },
    /// It cannot be held any more.
    Lost(Loss),
}

/// Why a session is not held.
#[derive(Debug, Clone)]
pub(crate) enum Loss {
    /// Another client restored it.
    Elsewhere { owner: Option<Box<ClientInfo>> },
    /// It was ended or deleted, or adopting it was refused.
    Refused(Problem),
}

impl Hold {
    /// A hold at `epoch`; 0 adopts.
    pub(crate) fn new(session_id: &str, epoch: u64, project: Option<String>) -> Self {
        Self {
            session_id: session_id.to_owned(),
            project,
            standing: watch::Sender::new(Standing::Attaching { epoch }),
            leaving: watch::Sender::new(None),
            notices: Mutex::default(),
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// The epoch to attach with; 0 adopts.
    pub(crate) fn epoch(&self) -> u64 {
        match *self.standing.borrow() {
            Standing::Attaching { epoch } | Standing::Held { epoch } => epoch,
            Standing::Lost(_) => 0,
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Lost(_))
    }

    pub(crate) fn granted(&self, epoch: u64) {
        self.standing.send_replace(Standing::Held { epoch });
    }

    pub(crate) fn lose(&self, loss: Loss) {
        self.standing.send_replace(Standing::Lost(loss));
    }

    /// Another client took it: says so to the next caller, too.
    pub(crate) fn taken(&self, lost: OwnershipLost) {
        let owner = lost.owner.map(Box::new);
        let text = format!(
            "session {} was restored by {}",
            self.session_id,
            wording::client(owner.as_deref())
        );
        let at = Some(Timestamp::from(std::time::SystemTime::now()));
        self.notify(Notice {
            kind: "ownership_lost".to_owned(),
            text,
            at,
        });
        self.lose(Loss::Elsewhere { owner });
    }

    /// Waits until the service answered the attach.
    pub(crate) async fn settled(&self) -> Standing {
        let mut standing = self.standing.subscribe();
        // The sender lives in this hold, so waiting cannot fail.
        let _ = standing
            .wait_for(|standing| !matches!(standing, Standing::Attaching { .. }))
            .await;
        self.standing()
    }

    pub(crate) fn notify(&self, notice: Notice) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() == MAX_NOTICES {
            notices.pop_front();
        }
        notices.push_back(notice);
    }

    /// The news since the last call.
    pub(crate) fn take_notices(&self) -> Vec<Value> {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices
            .drain(..)
            .map(|notice| json!({"kind": notice.kind, "text": notice.text, "at": wording::time(notice.at.as_ref())}))
            .collect()
    }

    /// Tells the keeper to detach in good order.
    pub(crate) fn leave(&self, reason: &str) {
        self.leaving.send_replace(Some(reason.to_owned()));
    }

    /// Waits for the reason to detach.
    pub(crate) async fn left(&self) -> String {
        let mut leaving = self.leaving.subscribe();
        // The sender lives in this hold, so waiting cannot fail.
        let _ = leaving.wait_for(Option::is_some).await;
        self.leaving.borrow().clone().unwrap_or_default()
    }
}

impl Loss {
    /// The loss as an answer for whoever calls next.
    pub(crate) fn problem(&self, session_id: &str) -> Problem {
        match self {
            Self::Elsewhere { owner } => Problem::new(
                "STALE_OWNER",
                format!(
                    "session {session_id} was restored by {}; this process does not own it any more and saved nothing",
                    wording::client(owner.as_deref()),
                ),
            )
            .next_step(format!(
                "go on in the other client, or close that one and take the session back with shim_check_recovery \
                 action=restore session_id={session_id}, or start another session here with shim_auto_checkpoint \
                 session_id=new"
            ))
            .about(session_id),
            Self::Refused(problem) => problem.clone().about(session_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_notices_are_kept_and_told_once() {
        let hold = Hold::new("s", 1, None);
        for number in 0..=MAX_NOTICES {
            hold.notify(Notice {
                kind: "risk_raised".into(),
                text: number.to_string(),
                at: None,
            });
        }
        let told = hold.take_notices();
        assert_eq!(told.len(), MAX_NOTICES);
        assert_eq!(told[0]["text"], "1");
        assert!(hold.take_notices().is_empty());
    }

    #[tokio::test]
    async fn a_taken_session_says_by_whom_and_how_to_get_it_back() {
        let hold = Hold::new("s", 1, None);
        let owner = ClientInfo {
            name: "claude-code".into(),
            ..ClientInfo::default()
        };
        hold.taken(OwnershipLost {
            epoch: 2,
            owner: Some(owner),
        });
        let Standing::Lost(loss) = hold.settled().await else {
            panic!("still held")
        };
        let text = loss.problem("s").text();
        assert!(
            text.contains("claude-code") && text.contains("action=restore session_id=s"),
            "{text}"
        );
    }
}
