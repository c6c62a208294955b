//! Unread messages of the sessions this process holds: fetched beside a call, told as notices of its answer.
//!
//! Delivery is at least once. A message told is acknowledged by a call of its session that began after the answer was
//! made: a call beside it does not prove that the client got it. Until then the service gives it out again, and what was
//! told here is not told twice. A call that was cancelled tells nothing, since its answer goes nowhere. A fetch never fails a call, never starts the stack, and delays an answer by [`PATIENCE`] at most; one
//! that comes later is kept for the next answer. The messages of sessions held elsewhere are never touched.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
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
    away_until: Mutex<Option<Instant>>,
}

/// A moment among the answers of this process: how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

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
            away_until: Mutex::default(),
        }
    }

    /// What was told until now is what a call that begins now may acknowledge.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.answers.load(Ordering::Relaxed))
    }

    /// Begins to fetch what came for a session this process holds, for a call that began at some moment; `None` if that
    /// is no use now.
    pub(crate) fn fetch(self: &Arc<Self>, session_id: &str, began: Moment) -> Option<Fetch> {
        if !self.services.coordinates() || self.are_away() {
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
        let answer = Moment(self.answers.fetch_add(1, Ordering::Relaxed) + 1);
        self.inboxes()
            .get_mut(session_id)
            .map(|inbox| inbox.tell(answer))
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
    told: Vec<Told>,
    /// What the service had, given out or not, when it was asked last.
    kept: u64,
}

struct Told {
    message_id: String,
    answer: Moment,
}

impl Inbox {
    /// Asks for as many as there is room for; `None` if there is none.
    fn request(&self, session_id: &str, began: Moment) -> Option<ReceiveMessagesRequest> {
        let room = MAX_TOLD
            .checked_sub(self.unread.len())
            .filter(|room| *room > 0)?;
        Some(ReceiveMessagesRequest {
            inbox: session_id.to_owned(),
            max_messages: i32::try_from(room).unwrap_or(i32::MAX),
            wait: None,
            visibility: None,
            ack_ids: self
                .told
                .iter()
                .filter(|told| told.answer <= began)
                .take(MAX_ACKNOWLEDGED)
                .map(|told| told.message_id.clone())
                .collect(),
        })
    }

    fn received(&mut self, acknowledged: &[String], answer: ReceiveMessagesResponse) {
        self.kept = answer.remaining + answer.messages.len() as u64;
        let came = |id: &String| answer.messages.iter().any(|came| came.message_id == *id);
        // One that comes all the same was not acknowledged.
        self.told
            .retain(|told| !acknowledged.contains(&told.message_id) || came(&told.message_id));
        for message in answer.messages {
            let id = &message.message_id;
            let is_told = self.told.iter().any(|told| told.message_id == *id);
            if !is_told && self.unread.iter().all(|unread| unread.message_id != *id) {
                self.unread.push_back(message);
            }
        }
    }

    /// The oldest messages as notices, as far as an answer stays readable.
    fn tell(&mut self, answer: Moment) -> Vec<Value> {
        let mut notices = Vec::new();
        let mut bytes = 0;
        while let Some(message) = self.unread.pop_front() {
            let notice = notice(&message);
            bytes += notice.to_string().len();
            if !notices.is_empty() && (bytes > MAX_TOLD_BYTES || notices.len() == MAX_TOLD) {
                self.unread.push_front(message);
                break;
            }
            self.told.push(Told {
                message_id: message.message_id,
                answer,
            });
            notices.push(notice);
        }
        let more = self.kept.saturating_sub(self.told.len() as u64);
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
    if message.sender == SHIM {
        return news(message);
    }
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

/// What the services tell of a task, with the next step.
fn news(message: &Message) -> Value {
    let data = message.data.as_ref().map(facts::object).unwrap_or_default();
    let fact = |name: &str| data[name].as_str().unwrap_or_default();
    let step = match (fact("notice"), fact("state")) {
        ("approval", _) => "action=approve decides when the user has said so",
        ("stuck", _) => "action=status shows it, action=message reaches its worker",
        (_, "failed" | "cancelled") => {
            "action=results shows what there is, action=retry takes it up again"
        }
        _ => "action=results gathers the results",
    };
    let text = match fact("task_id") {
        "" => message.text.clone(),
        id => format!(
            "{} (shim_coordinate_task {step}; task_id={id})",
            message.text
        ),
    };
    json!({
        "kind": "task",
        "text": text,
        "at": wording::time(message.sent_at.as_ref()),
        "message_id": message.message_id,
        "task_id": fact("task_id"),
        "state": fact("state"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_runtime::free_form;

    use super::*;

    /// After all answers.
    const LATER: Moment = Moment(u64::MAX);

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
        assert!(inbox.request("s", LATER).unwrap().ack_ids.is_empty());
        assert_eq!(ids(&inbox.tell(Moment(1))), ["1", "2"]);
        let next = inbox.request("s", LATER).unwrap();
        assert_eq!(next.ack_ids, ["1", "2"]);
        // One of the acknowledgements did not take.
        inbox.received(&next.ack_ids, answer(&["2", "3"], 0));
        assert_eq!(ids(&inbox.tell(Moment(1))), ["3"]);
        assert_eq!(inbox.request("s", LATER).unwrap().ack_ids, ["2", "3"]);
    }

    #[test]
    fn an_acknowledgement_that_never_arrived_is_sent_again() {
        let mut inbox = Inbox::default();
        inbox.received(&[], answer(&["1"], 0));
        inbox.tell(Moment(1));
        assert_eq!(inbox.request("s", LATER).unwrap().ack_ids, ["1"]);
        inbox.received(&[], answer(&["1"], 0));
        assert!(inbox.tell(Moment(1)).is_empty());
        assert_eq!(inbox.request("s", LATER).unwrap().ack_ids, ["1"]);
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
        let told = inbox.tell(Moment(1));
        assert_eq!(ids(&told), ["1", "2"]);
        assert_eq!(told[2]["count"], 7);
        assert_eq!(inbox.request("s", LATER).unwrap().max_messages, 8);
        let messages = vec![message("5", &long), message("6", &long)];
        inbox.received(
            &["1".into(), "2".into()],
            ReceiveMessagesResponse {
                messages,
                remaining: 5,
            },
        );
        let told = inbox.tell(Moment(2));
        assert_eq!(ids(&told), ["3", "4"]);
        assert_eq!(told[2]["count"], 5, "fetched and untold ones count once");
    }

    #[test]
    fn a_call_acknowledges_only_what_was_told_before_it_began() {
        let mut inbox = Inbox::default();
        inbox.received(&[], answer(&["1"], 1));
        inbox.tell(Moment(1));
        inbox.received(&[], answer(&["2"], 1));
        inbox.tell(Moment(2));
        assert!(inbox.request("s", Moment(0)).unwrap().ack_ids.is_empty());
        assert_eq!(inbox.request("s", Moment(1)).unwrap().ack_ids, ["1"]);
        assert_eq!(inbox.request("s", Moment(2)).unwrap().ack_ids, ["1", "2"]);
    }

    #[test]
    fn news_of_a_job_name_the_next_step() {
        let facts = json!({"notice": "ended", "task_id": "7", "state": "failed"});
        let news = notice(&Message {
            sender: "shim".into(),
            text: "job 7 failed (no source): docs".into(),
            data: free_form::from_json(facts.as_object().unwrap()),
            ..Message::default()
        });
        assert_eq!(
            (&news["kind"], &news["state"]),
            (&json!("task"), &json!("failed"))
        );
        let text = news["text"].as_str().unwrap();
        assert!(
            text.starts_with("job 7 failed (no source): docs (shim_coordinate_task action=results")
                && text.contains("action=retry")
                && text.ends_with("task_id=7)"),
            "{text}"
        );
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
        assert_eq!(ids(&inbox.tell(Moment(1))), ["1"]);
    }
}
