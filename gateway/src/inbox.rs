//! The messages of one session on their way to the client: fetched, put into an answer as notices, acknowledged.
//!
//! Delivery is at least once. A message of an answer is acknowledged by a call that began after that answer was
//! made: a call beside it does not prove that the client got it. Until then the service gives the message out again,
//! and the inbox does not deliver it twice.

use std::collections::VecDeque;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{Message, ReceiveMessagesRequest, ReceiveMessagesResponse};
use shim_proto::limits::MAX_LIST;
use shim_render::page::Page;
use shim_render::text::{line, name};
use shim_render::time;

use crate::render::json;

/// Messages in one answer.
const MAX_DELIVERED: usize = 10;
/// Their bytes in one answer, beyond the first: clients cut a result off at some 25,000 tokens.
const MAX_DELIVERED_BYTES: usize = 48 << 10;
/// The sender of the services' own messages, which are notices of tasks. Sessions send under their ids.
const SHIM: &str = "shim";
const MAX_SENDER_CHARACTERS: usize = 200;

/// A moment among the answers of this process: how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AnswerSeq(pub(crate) u64);

/// The messages of one session, as far as this process fetched them.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Fetched, in no answer yet.
    unread: VecDeque<Message>,
    /// In an answer, not acknowledged yet.
    delivered: Vec<DeliveredMessage>,
    /// The messages the service had at the last fetch, given out or not.
    unacknowledged: u64,
}

struct DeliveredMessage {
    message_id: String,
    answer: AnswerSeq,
}

impl Inbox {
    /// The request for as many messages as there is room for; `None` if there is none.
    pub(crate) fn request(
        &self,
        session_id: &str,
        began: AnswerSeq,
    ) -> Option<ReceiveMessagesRequest> {
        let room = MAX_DELIVERED
            .checked_sub(self.unread.len())
            .filter(|room| *room > 0)?;
        Some(ReceiveMessagesRequest {
            inbox: session_id.to_owned(),
            max_messages: i32::try_from(room).unwrap_or(i32::MAX),
            wait: None,
            visibility: None,
            peek: false,
            ack_ids: self
                .delivered
                .iter()
                .filter(|delivered| delivered.answer <= began)
                .take(MAX_LIST)
                .map(|delivered| delivered.message_id.clone())
                .collect(),
        })
    }

    /// Takes in an answer of the service to a request with these acknowledgements.
    pub(crate) fn add_fetched(&mut self, acknowledged: &[String], answer: ReceiveMessagesResponse) {
        self.unacknowledged = answer.remaining + answer.messages.len() as u64;
        let returned = |id: &String| {
            answer
                .messages
                .iter()
                .any(|returned| returned.message_id == *id)
        };
        // A message that comes all the same was not acknowledged.
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
    pub(crate) fn take_notices(&mut self, answer: AnswerSeq) -> Vec<Value> {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.delivered.is_empty()
    }
}

fn notice(message: &Message) -> Value {
    if message.sender == SHIM {
        return task_notice(message);
    }
    let sender = match message.sender.as_str() {
        "" => "an unnamed sender".to_owned(),
        sender => name(sender, MAX_SENDER_CHARACTERS),
    };
    let mut text = Page::default();
    text.field(&format!("message from {sender}"), &message.text);
    let mut notice = json!({
        "kind": "message",
        "text": text.as_str(),
        "at": time::rfc3339(message.sent_at.as_ref()),
        "message_id": message.message_id,
        "from": message.sender,
    });
    if let Some(data) = &message.data {
        notice["data"] = json::object(data);
    }
    notice
}

/// The notice of a task, with the next step.
fn task_notice(message: &Message) -> Value {
    let data = message.data.as_ref().map(json::object).unwrap_or_default();
    let field = |name: &str| data[name].as_str().unwrap_or_default();
    let step = match (field("notice"), field("state")) {
        ("approval", _) => "action=approve decides when the user has said so",
        ("held", _) => "action=status shows it",
        ("stuck", _) => "action=status shows it, action=message reaches its worker",
        (_, "failed" | "cancelled") => {
            "action=results shows what there is, action=retry takes it up again"
        }
        _ => "action=results gathers the results",
    };
    let said = line(&message.text);
    let text = match field("task_id") {
        "" => said.into_owned(),
        id => format!("{said} (shim_coordinate_task {step}; task_id={})", line(id)),
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
