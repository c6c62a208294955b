//! Unread messages of the sessions this process holds: fetched beside a call, told as notices of its answer.
//!
//! Delivery is at least once. A message told is acknowledged by a call of its session that began after the answer was
//! made: a call beside it does not prove that the client got it. Until then the service gives it out again, and what was
//! told here is not told twice. A call that was cancelled tells nothing, since its answer goes nowhere. A fetch never fails a call, never starts the stack, and delays an answer by [`FETCH_TIMEOUT`] at most; one
//! that comes later is kept for the next answer. The messages of sessions held elsewhere are never touched.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{Message, ReceiveMessagesRequest, ReceiveMessagesResponse};
use shim_render::time;
use shim_runtime::trace;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Status;

use crate::render::json;
use crate::services::Services;

/// How long an answer waits for messages.
const FETCH_TIMEOUT: Duration = Duration::from_millis(250);
/// How long nobody is asked after a fetch that failed or came late.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(5);
/// Messages in one answer.
const MAX_DELIVERED: usize = 10;
/// Their bytes in one answer, beyond the first: clients cut a result off at some 25,000 tokens.
const MAX_DELIVERED_BYTES: usize = 48 << 10;
/// The services themselves send under this name: news of tasks. Sessions send under their ids.
const SHIM: &str = "shim";
/// The contract's limit.
const MAX_ACKNOWLEDGED: usize = 1_000;

/// The inboxes of this process's sessions.
pub(crate) struct Inboxes {
    services: Arc<Services>,
    inboxes: Mutex<HashMap<String, Inbox>>,
    /// How many answers told messages.
    answers: AtomicU64,
    unavailable_until: Mutex<Option<Instant>>,
}

/// A moment among the answers of this process: how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AnswerSeq(u64);

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
            answers: AtomicU64::default(),
            unavailable_until: Mutex::default(),
        }
    }

    /// What was told until now is what a call that begins now may acknowledge.
    pub(crate) fn answer_seq(&self) -> AnswerSeq {
        AnswerSeq(self.answers.load(Ordering::Relaxed))
    }

    /// Begins to fetch what came for a session this process holds, for a call that began at some moment; `None` if that
    /// is no use now.
    pub(crate) fn fetch(self: &Arc<Self>, session_id: &str, began: AnswerSeq) -> Option<Fetch> {
        if !self.services.has_coordination() || self.is_unavailable() {
            return None;
        }
        let request = self.inboxes().get(session_id).map_or_else(
            || Inbox::default().request(session_id, began),
            |inbox| inbox.request(session_id, began),
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

    /// What is to be told of the session's inbox now.
    pub(crate) fn take_notices(&self, session_id: &str) -> Vec<Value> {
        let answer = AnswerSeq(self.answers.fetch_add(1, Ordering::Relaxed) + 1);
        self.inboxes()
            .get_mut(session_id)
            .map(|inbox| inbox.take_notices(answer))
            .unwrap_or_default()
    }

    /// Forgets an inbox whose session is held elsewhere: its messages go to whoever holds it.
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
        if tokio::time::timeout_at(self.deadline, self.task)
            .await
            .is_err()
        {
            self.inboxes
                .mark_unavailable(&Status::deadline_exceeded("they came late"));
        }
    }
}

/// One session's messages as far as they came here.
#[derive(Default)]
struct Inbox {
    /// Fetched and not told yet.
    unread: VecDeque<Message>,
    /// Told and not acknowledged yet.
    delivered: Vec<DeliveredMessage>,
    /// What the service had, given out or not, when it was asked last.
    unacknowledged: u64,
}

struct DeliveredMessage {
    message_id: String,
    answer: AnswerSeq,
}

impl Inbox {
    /// Asks for as many as there is room for; `None` if there is none.
    fn request(&self, session_id: &str, began: AnswerSeq) -> Option<ReceiveMessagesRequest> {
        let room = MAX_DELIVERED
            .checked_sub(self.unread.len())
            .filter(|room| *room > 0)?;
        Some(ReceiveMessagesRequest {
            inbox: session_id.to_owned(),
            max_messages: i32::try_from(room).unwrap_or(i32::MAX),
            wait: None,
            visibility: None,
            ack_ids: self
                .delivered
                .iter()
                .filter(|delivered| delivered.answer <= began)
                .take(MAX_ACKNOWLEDGED)
                .map(|delivered| delivered.message_id.clone())
                .collect(),
        })
    }

    fn add_fetched(&mut self, acknowledged: &[String], answer: ReceiveMessagesResponse) {
        self.unacknowledged = answer.remaining + answer.messages.len() as u64;
        let returned = |id: &String| {
            answer
                .messages
                .iter()
                .any(|returned| returned.message_id == *id)
        };
        // One that comes all the same was not acknowledged.
        self.delivered.retain(|delivered| {
            !acknowledged.contains(&delivered.message_id) || returned(&delivered.message_id)
        });
        for message in answer.messages {
            let id = &message.message_id;
            let is_delivered = self
                .delivered
                .iter()
                .any(|delivered| delivered.message_id == *id);
            if !is_delivered && self.unread.iter().all(|unread| unread.message_id != *id) {
                self.unread.push_back(message);
            }
        }
    }

    /// The oldest messages as notices, as far as an answer stays readable.
    fn take_notices(&mut self, answer: AnswerSeq) -> Vec<Value> {
        let mut notices = Vec::new();
        let mut bytes = 0;
        while let Some(message) = self.unread.pop_front() {
            let notice = notice(&message);
            bytes += notice.to_string().len();
            if !notices.is_empty()
                && (bytes > MAX_DELIVERED_BYTES || notices.len() == MAX_DELIVERED)
            {
                self.unread.push_front(message);
                break;
            }
            self.delivered.push(DeliveredMessage {
                message_id: message.message_id,
                answer,
            });
            notices.push(notice);
        }
        let more = self
            .unacknowledged
            .saturating_sub(self.delivered.len() as u64);
        if !notices.is_empty() && more > 0 {
            let text = format!("{more} more unread message(s) wait; they come with the next calls");
            notices.push(json!({"kind": "messages_waiting", "text": text, "count": more}));
        }
        notices
    }

    fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.delivered.is_empty()
    }
}

fn notice(message: &Message) -> Value {
    if message.sender == SHIM {
        return task_notice(message);
    }
    let sender = match message.sender.as_str() {
        "" => "an unnamed sender",
        sender => sender,
    };
    let mut notice = json!({
        "kind": "message",
        "text": format!("message from {sender}: {}", message.text),
        "at": time::rfc3339(message.sent_at.as_ref()),
        "message_id": message.message_id,
        "from": message.sender,
    });
    if let Some(data) = &message.data {
        notice["data"] = json::object(data);
    }
    notice
}

/// What the services tell of a task, with the next step.
fn task_notice(message: &Message) -> Value {
    let data = message.data.as_ref().map(json::object).unwrap_or_default();
    let field = |name: &str| data[name].as_str().unwrap_or_default();
    let step = match (field("notice"), field("state")) {
        ("approval", _) => "action=approve decides when the user has said so",
        ("stuck", _) => "action=status shows it, action=message reaches its worker",
        (_, "failed" | "cancelled") => {
            "action=results shows what there is, action=retry takes it up again"
        }
        _ => "action=results gathers the results",
    };
    let text = match field("task_id") {
        "" => message.text.clone(),
        id => format!(
            "{} (shim_coordinate_task {step}; task_id={id})",
            message.text
        ),
    };
    json!({
        "kind": "task",
        "text": text,
        "at": time::rfc3339(message.sent_at.as_ref()),
        "message_id": message.message_id,
        "task_id": field("task_id"),
        "state": field("state"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_runtime::free_form;

    use super::*;

    /// After all answers.
    const LATER: AnswerSeq = AnswerSeq(u64::MAX);

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
    fn a_message_is_delivered_once_and_acknowledged_with_the_next_request() {
        let mut inbox = Inbox::default();
        inbox.add_fetched(&[], answer(&["1", "2"], 0));
        assert!(inbox.request("s", LATER).unwrap().ack_ids.is_empty());
        assert_eq!(ids(&inbox.take_notices(AnswerSeq(1))), ["1", "2"]);
        let next = inbox.request("s", LATER).unwrap();
        assert_eq!(next.ack_ids, ["1", "2"]);
        // One of the acknowledgements did not take.
        inbox.add_fetched(&next.ack_ids, answer(&["2", "3"], 0));
        assert_eq!(ids(&inbox.take_notices(AnswerSeq(1))), ["3"]);
        assert_eq!(inbox.request("s", LATER).unwrap().ack_ids, ["2", "3"]);
    }

    #[test]
    fn an_acknowledgement_that_never_arrived_is_sent_again() {
        let mut inbox = Inbox::default();
        inbox.add_fetched(&[], answer(&["1"], 0));
        inbox.take_notices(AnswerSeq(1));
        assert_eq!(inbox.request("s", LATER).unwrap().ack_ids, ["1"]);
        inbox.add_fetched(&[], answer(&["1"], 0));
        assert!(inbox.take_notices(AnswerSeq(1)).is_empty());
        assert_eq!(inbox.request("s", LATER).unwrap().ack_ids, ["1"]);
    }

    #[test]
    fn an_answer_holds_what_is_readable_and_says_what_waits() {
        let mut inbox = Inbox::default();
        let long = "x".repeat(16_384);
        let messages = ["1", "2", "3", "4"].map(|id| message(id, &long)).to_vec();
        inbox.add_fetched(
            &[],
            ReceiveMessagesResponse {
                messages,
                remaining: 5,
            },
        );
        let notices = inbox.take_notices(AnswerSeq(1));
        assert_eq!(ids(&notices), ["1", "2"]);
        assert_eq!(notices[2]["count"], 7);
        assert_eq!(inbox.request("s", LATER).unwrap().max_messages, 8);
        let messages = vec![message("5", &long), message("6", &long)];
        inbox.add_fetched(
            &["1".into(), "2".into()],
            ReceiveMessagesResponse {
                messages,
                remaining: 5,
            },
        );
        let notices = inbox.take_notices(AnswerSeq(2));
        assert_eq!(ids(&notices), ["3", "4"]);
        assert_eq!(notices[2]["count"], 5, "fetched and untold ones count once");
    }

    #[test]
    fn a_call_acknowledges_only_what_was_delivered_before_it_began() {
        let mut inbox = Inbox::default();
        inbox.add_fetched(&[], answer(&["1"], 1));
        inbox.take_notices(AnswerSeq(1));
        inbox.add_fetched(&[], answer(&["2"], 1));
        inbox.take_notices(AnswerSeq(2));
        assert!(inbox.request("s", AnswerSeq(0)).unwrap().ack_ids.is_empty());
        assert_eq!(inbox.request("s", AnswerSeq(1)).unwrap().ack_ids, ["1"]);
        assert_eq!(
            inbox.request("s", AnswerSeq(2)).unwrap().ack_ids,
            ["1", "2"]
        );
    }

    #[test]
    fn a_notice_of_a_job_names_the_next_step() {
        let data = json!({"notice": "ended", "task_id": "7", "state": "failed"});
        let task_notice = notice(&Message {
            sender: "shim".into(),
            text: "job 7 failed (no source): docs".into(),
            data: free_form::from_json(data.as_object().unwrap()),
            ..Message::default()
        });
        assert_eq!(
            (&task_notice["kind"], &task_notice["state"]),
            (&json!("task"), &json!("failed"))
        );
        let text = task_notice["text"].as_str().unwrap();
        assert!(
            text.starts_with("job 7 failed (no source): docs (shim_coordinate_task action=results")
                && text.contains("action=retry")
                && text.ends_with("task_id=7)"),
            "{text}"
        );
    }

    #[test]
    fn one_large_message_is_delivered_whole() {
        let mut inbox = Inbox::default();
        let messages = vec![message("1", &"x".repeat(2 * MAX_DELIVERED_BYTES))];
        let remaining = 0;
        inbox.add_fetched(
            &[],
            ReceiveMessagesResponse {
                messages,
                remaining,
            },
        );
        assert_eq!(ids(&inbox.take_notices(AnswerSeq(1))), ["1"]);
    }
}
