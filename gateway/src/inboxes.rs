//! Unread messages of the sessions this process holds: fetched beside a call, and put into its answer as notices.
//!
//! A fetch never fails a call, never starts the stack, and delays an answer by [`FETCH_TIMEOUT`] at most; a message that
//! comes later is kept for the next answer. A cancelled call takes no notices, since its answer goes nowhere. The
//! messages of sessions held elsewhere are never touched.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shim_proto::coordination::v1::ReceiveMessagesRequest;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::trace;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Status;

use crate::inbox::{AnswerSeq, Inbox};
use crate::services::Services;

/// How long an answer waits for messages.
const FETCH_TIMEOUT: Duration = Duration::from_millis(250);
/// No fetch begins for this long after one that failed or came late.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(5);

/// The inboxes of this process's sessions.
pub(crate) struct Inboxes {
    services: Arc<Services>,
    tasks: BackgroundTasks,
    inboxes: Mutex<HashMap<String, Inbox>>,
    /// How many answers there were.
    answers: AtomicU64,
    unavailable_until: Mutex<Option<Instant>>,
}

/// A fetch on its way.
pub(crate) struct Fetch {
    inboxes: Arc<Inboxes>,
    session_id: String,
    /// Closed when the fetch has ended. The fetch is a task of its own: dropped with its call, it would lose messages
    /// that the service gives out again only half a minute later.
    ended: oneshot::Receiver<()>,
    deadline: Instant,
}

impl Inboxes {
    pub(crate) fn new(services: Arc<Services>, tasks: BackgroundTasks) -> Self {
        Self {
            services,
            tasks,
            inboxes: Mutex::default(),
            answers: AtomicU64::default(),
            unavailable_until: Mutex::default(),
        }
    }

    /// The last answer until now: a call that begins now may acknowledge its messages.
    pub(crate) fn answer_seq(&self) -> AnswerSeq {
        AnswerSeq(self.answers.load(Ordering::Relaxed))
    }

    /// Begins to fetch the messages of a session this process holds, for a call that began at some moment; `None` if
    /// that is of no use now.
    pub(crate) fn fetch(self: &Arc<Self>, session_id: &str, began: AnswerSeq) -> Option<Fetch> {
        if !self.services.has_coordination() || self.is_unavailable() {
            return None;
        }
        let request = self.inboxes().get(session_id).map_or_else(
            || Inbox::default().request(session_id, began),
            |inbox| inbox.request(session_id, began),
        )?;
        let (end, ended) = oneshot::channel();
        let inboxes = self.clone();
        let work = async move {
            inboxes.receive(request).await;
            drop(end);
        };
        match trace::current() {
            Some(context) => {
                let work = trace::scope(context, work);
                self.tasks.spawn_contained("fetch_messages", work);
            }
            None => self.tasks.spawn_contained("fetch_messages", work),
        }
        Some(Fetch {
            inboxes: self.clone(),
            session_id: session_id.to_owned(),
            ended,
            deadline: Instant::now() + FETCH_TIMEOUT,
        })
    }

    async fn receive(self: Arc<Self>, request: ReceiveMessagesRequest) {
        let session_id = request.inbox.clone();
        let acknowledged = request.ack_ids.clone();
        match self.services.receive_messages(request).await {
            Ok(answer) => {
                *self.unavailable_until() = None;
                let mut inboxes = self.inboxes();
                let inbox = inboxes.entry(session_id.clone()).or_default();
                inbox.add_fetched(&acknowledged, answer);
                if inbox.is_empty() {
                    inboxes.remove(&session_id);
                }
            }
            Err(status) => self.mark_unavailable(&status),
        }
    }

    /// The notices of the session's inbox for the answer that is made now.
    pub(crate) fn take_notices(&self, session_id: &str) -> Vec<Value> {
        let answer = AnswerSeq(self.answers.fetch_add(1, Ordering::Relaxed) + 1);
        self.inboxes()
            .get_mut(session_id)
            .map(|inbox| inbox.take_notices(answer))
            .unwrap_or_default()
    }

    /// Forgets an inbox whose session is held elsewhere: its messages go to the process that holds it.
    pub(crate) fn forget(&self, session_id: &str) {
        self.inboxes().remove(session_id);
    }

    fn is_unavailable(&self) -> bool {
        self.unavailable_until()
            .is_some_and(|until| Instant::now() < until)
    }

    fn mark_unavailable(&self, status: &Status) {
        tracing::debug!(code = ?status.code(), "no messages can be had: {}", status.message());
        *self.unavailable_until() = Some(Instant::now() + UNAVAILABLE_FOR);
    }

    fn inboxes(&self) -> MutexGuard<'_, HashMap<String, Inbox>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unavailable_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unavailable_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch {
    /// Whether it is for this session.
    pub(crate) fn is_for(&self, session_id: &str) -> bool {
        self.session_id == session_id
    }

    /// Waits for it as long as an answer may wait.
    pub(crate) async fn finish(self) {
        if tokio::time::timeout_at(self.deadline, self.ended)
            .await
            .is_err()
        {
            self.inboxes
                .mark_unavailable(&Status::deadline_exceeded("they came late"));
        }
    }
}
