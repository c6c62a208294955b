//! Unread messages of the sessions this process holds: fetched beside a call, told as notices of its answer.
//!
//! Delivery is at least once. A message told is acknowledged with the next call of its session, since only then the
//! client is known to have got the answer; until then the service gives it out again, and what was told here is not
//! told twice. A fetch never fails a call, never starts the stack, and delays an answer by [`PATIENCE`] at most; one
//! that comes later is kept for the next answer. The messages of sessions held elsewhere are never touched.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{Message, ReceiveMessagesRequest, ReceiveMessagesResponse};
use shim_runtime::trace;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Status;

use crate::facts;
use crate::services::Services;
use crate::wording;

/// How long an answer waits for messages.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long nobody is asked after a fetch that failed or came late.
const AWAY: Duration = Duration::from_secs(5);
/// Messages in one answer.
const MAX_TOLD: usize = 10;
/// Their bytes in one answer, beyond the first: clients cut a result off at some 25,000 tokens.
const MAX_TOLD_BYTES: usize = 48 << 10;
/// The contract's limit.
const MAX_ACKNOWLEDGED: usize = 1_000;

/// The inboxes of this process's sessions.
pub(crate) struct Inboxes {
    services: Arc<Services>,
    inboxes: Mutex<HashMap<String, Inbox>>,
    away_until: Mutex<Option<Instant>>,
}

/// A fetch on its way.
pub(crate) struct Fetch {
    inboxes: Arc<Inboxes>,
    session_id: String,
    /// A task of its own: dropped with its call, it would lose what the service gave out for half a minute.
    task: JoinHandle<()>,
    deadline: Instant,
}

impl Inboxes {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            inboxes: Mutex::default(),
            away_until: Mutex::default(),
        }
    }

    /// Begins to fetch what came for a session this process holds; `None` if that is no use now.
    pub(crate) fn fetch(self: &Arc<Self>, session_id: &str) -> Option<Fetch> {
        if !self.services.coordinates() || self.are_away() {
            return None;
        }
        let request = self.inboxes().get(session_id).map_or_else(
            || Inbox::default().request(session_id),
            |inbox| inbox.request(session_id),
        )?;
        let work = self.clone().receive(request);
        let task = match trace::current() {
            Some(context) => tokio::spawn(trace::scope(context, work)),
            None => tokio::spawn(work),
        };
        Some(Fetch {
            inboxes: self.clone(),
            session_id: session_id.to_owned(),
            task,
            deadline: Instant::now() + PATIENCE,
        })
    }

    async fn receive(self: Arc<Self>, request: ReceiveMessagesRequest) {
        let session_id = request.inbox.clone();
        let acknowledged = request.ack_ids.clone();
        match self.services.receive_messages(request).await {
            Ok(answer) => {
                *self.away_until() = None;
                let mut inboxes = self.inboxes();
                let inbox = inboxes.entry(session_id.clone()).or_default();
                inbox.received(&acknowledged, answer);
                if inbox.is_empty() {
                    inboxes.remove(&session_id);
                }
            }
            Err(status) => self.call_off(&status),
        }
    }

    /// What is to be told of the session's inbox now.
    pub(crate) fn tell(&self, session_id: &str) -> Vec<Value> {
        self.inboxes()
            .get_mut(session_id)
            .map(Inbox::tell)
            .unwrap_or_default()
    }

    /// Forgets an inbox whose session is held elsewhere: its messages go to whoever holds it.
    pub(crate) fn forget(&self, session_id: &str) {
        self.inboxes().remove(session_id);
    }

    fn are_away(&self) -> bool {
        self.away_until()
            .is_some_and(|until| Instant::now() < until)
    }

    fn call_off(&self, status: &Status) {
        tracing::debug!(code = ?status.code(), "no messages can be had: {}", status.message());
        *self.away_until() = Some(Instant::now() + AWAY);
    }

    fn inboxes(&self) -> MutexGuard<'_, HashMap<String, Inbox>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch {
    /// Whether it is for this session.
    pub(crate) fn is_of(&self, session_id: &str) -> bool {
        self.session_id == session_id
    }

    /// Waits for it as long as an answer may wait.
    pub(crate) async fn finish(self) {
        if tokio::time::timeout_at(self.deadline, self.task)
            .await
            .is_err()
        {
            self.inboxes
                .call_off(&Status::deadline_exceeded("they came late"));
        }
    }
}

/// One session's messages as far as they came here.
#[derive(Default)]
struct Inbox {
    /// Fetched and not told yet.
    unread: VecDeque<Message>,
    /// Told and not acknowledged yet.
    told: Vec<String>,
    /// More that the service has.
    waiting: u64,
}

impl Inbox {
    /// Asks for as many as there is room for; `None` if there is none.
    fn request(&self, session_id: &str) -> Option<ReceiveMessagesRequest> {
        let room = MAX_TOLD
            .checked_sub(self.unread.len())
            .filter(|room| *room > 0)?;
        Some(ReceiveMessagesRequest {
            inbox: session_id.to_owned(),
            max_messages: i32::try_from(room).unwrap_or(i32::MAX),
            wait: None,
            visibility: None,
            ack_ids: self.told.iter().take(MAX_ACKNOWLEDGED).cloned().collect(),
        })
    }

    fn received(&mut self, acknowledged: &[String], answer: ReceiveMessagesResponse) {
        self.told.retain(|id| !acknowledged.contains(id));
        for message in answer.messages {
            let id = &message.message_id;
            if acknowledged.contains(id) && !self.told.contains(id) {
                self.told.push(message.message_id);
            } else if !self.told.contains(id)
                && !self.unread.iter().any(|unread| unread.message_id == *id)
            {
                self.unread.push_back(message);
            }
        }
        self.waiting = answer.remaining;
    }

    /// The oldest messages as notices, as far as an answer stays readable.
    fn tell(&mut self) -> Vec<Value> {
        let mut notices = Vec::new();
        let mut bytes = 0;
        while let Some(message) = self.unread.pop_front() {
            let notice = notice(&message);
            bytes += notice.to_string().len();
            if !notices.is_empty() && (bytes > MAX_TOLD_BYTES || notices.len() == MAX_TOLD) {
                self.unread.push_front(message);
                break;
            }
            self.told.push(message.message_id);
            notices.push(notice);
        }
        let more = self.waiting.saturating_add(self.unread.len() as u64);
        if !notices.is_empty() && more > 0 {
            let text = format!("{more} more unread message(s) wait; they come with the next calls");
            notices.push(json!({"kind": "messages_waiting", "text": text, "count": more}));
        }
        notices
    }

    fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.told.is_empty()
    }
}

fn notice(message: &Message) -> Value {
    let sender = match message.sender.as_str() {
        "" => "an unnamed sender",
        sender => sender,
    };
    let mut notice = json!({
        "kind": "message",
        "text": format!("message from {sender}: {}", message.text),
        "at": wording::time(message.sent_at.as_ref()),
        "message_id": message.message_id,
        "from": message.sender,
    });
    if let Some(data) = &message.data {
        notice["data"] = facts::object(data);
    }
    notice
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(id: &str, text: &str) -> Message {
        Message {
            message_id: id.into(),
            text: text.into(),
            ..Message::default()
        }
    }

    fn answer(ids: &[&str], remaining: u64) -> ReceiveMessagesResponse {
        ReceiveMessagesResponse {
            messages: ids.iter().map(|id| message(id, "hello")).collect(),
            remaining,
        }
    }

    fn ids(notices: &[Value]) -> Vec<&str> {
        notices
            .iter()
            .filter_map(|notice| notice["message_id"].as_str())
            .collect()
    }

    #[test]
    fn a_message_is_told_once_and_acknowledged_with_the_next_request() {
        let mut inbox = Inbox::default();
        inbox.received(&[], answer(&["1", "2"], 0));
        assert!(inbox.request("s").unwrap().ack_ids.is_empty());
        assert_eq!(ids(&inbox.tell()), ["1", "2"]);
        let next = inbox.request("s").unwrap();
        assert_eq!(next.ack_ids, ["1", "2"]);
        // One of the acknowledgements did not take.
        inbox.received(&next.ack_ids, answer(&["2", "3"], 0));
        assert_eq!(ids(&inbox.tell()), ["3"]);
        assert_eq!(inbox.request("s").unwrap().ack_ids, ["2", "3"]);
    }

    #[test]
    fn an_acknowledgement_that_never_arrived_is_sent_again() {
        let mut inbox = Inbox::default();
        inbox.received(&[], answer(&["1"], 0));
        inbox.tell();
        assert_eq!(inbox.request("s").unwrap().ack_ids, ["1"]);
        inbox.received(&[], answer(&["1"], 0));
        assert!(inbox.tell().is_empty());
        assert_eq!(inbox.request("s").unwrap().ack_ids, ["1"]);
    }

    #[test]
    fn an_answer_holds_what_is_readable_and_says_what_waits() {
        let mut inbox = Inbox::default();
        let long = "x".repeat(16_384);
        let messages = ["1", "2", "3", "4"].map(|id| message(id, &long)).to_vec();
        inbox.received(
            &[],
            ReceiveMessagesResponse {
                messages,
                remaining: 5,
            },
        );
        let told = inbox.tell();
        assert_eq!(ids(&told), ["1", "2"]);
        assert_eq!(told[2]["count"], 7);
        assert_eq!(inbox.request("s").unwrap().max_messages, 8);
        assert_eq!(ids(&inbox.tell()), ["3", "4"]);
    }

    #[test]
    fn one_large_message_is_told_whole() {
        let mut inbox = Inbox::default();
        let messages = vec![message("1", &"x".repeat(2 * MAX_TOLD_BYTES))];
        let remaining = 0;
        inbox.received(
            &[],
            ReceiveMessagesResponse {
                messages,
                remaining,
            },
        );
        assert_eq!(ids(&inbox.tell()), ["1"]);
    }
}
