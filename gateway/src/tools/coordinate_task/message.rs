//! `action=message`: a durable message for one session, one worker, or every worker with a capability.

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::{GetSessionRequest, SessionStatus};
use shim_proto::coordination::v1::SendMessageRequest;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::reasons::{
    INBOX_FULL, NO_RECIPIENTS, SESSION_ENDED, SESSION_NOT_FOUND, WORKER_NOT_FOUND,
};
use shim_render::page::Page;
use tonic::{Code, Status};

use crate::arguments::Arguments;
use crate::render::brief::Facts;
use crate::render::phrases;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::action_arguments::{incomplete, missing_fields};
use crate::tools::call::{ToolCall, ToolOutput};

/// The arguments that name the recipients; a message takes one of them.
const RECIPIENTS: [&str; 3] = ["to_session", "to_worker", "to_capability"];

const INTERRUPTED: &str =
    "That session is interrupted: it reads the message once a client restores it.";
const WORKERS: &str =
    "shim_session_status view=workers lists the living workers with their capabilities";

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let arguments = &call.arguments;
    let recipient = recipient(arguments)?;
    call.gateway.services.require_coordination()?;
    let project = &call.gateway.client_context.project.name;
    let acquire =
        call.gateway
            .sessions
            .acquire(arguments.text("session_id"), project, &call.client);
    let (sender, known) = tokio::join!(acquire, look_up(call, &recipient));
    let sender = sender?.session_id;
    if let Known::Ended(at) = &known {
        return Err(ended(&recipient, at.as_ref()).about(sender.as_str()));
    }
    let inbox = match (&recipient, &known) {
        // A session of another stack on the same Redis is known there if it is a worker.
        (Recipient::SessionId(id), Known::Nowhere) => Recipient::WorkerId(id.clone()),
        _ => recipient.clone(),
    };
    let request = SendMessageRequest {
        request_id: request_id(),
        sender: sender.clone(),
        recipient: Some(inbox),
        text: arguments.text_or_empty("message"),
        data: None,
    };
    let sent = call.gateway.services.send_message(request).await;
    let sent = sent.map_err(|status| to_error(status, &recipient).about(sender.as_str()))?;
    let note = (known == Known::Interrupted).then_some(INTERRUPTED);
    let facts = Facts::new()
        .set("recipients", sent.recipients)
        .set_some("note", note);
    let text = render(&recipient, sent.recipients, note);
    let step = "go on; an answer comes in the notices of a later call";
    Ok(ToolOutput::new(text, facts, step).with_session(sender))
}

/// The recipients; every argument that is missing or too much is named at once.
fn recipient(arguments: &Arguments) -> Result<Recipient, ToolError> {
    let given = RECIPIENTS.map(|name| arguments.text(name).map(str::to_owned));
    let recipient = match given {
        [Some(id), None, None] => Ok(Recipient::SessionId(id)),
        [None, Some(id), None] => Ok(Recipient::WorkerId(id)),
        [None, None, Some(capability)] => Ok(Recipient::Capability(capability)),
        given => Err(given),
    };
    let mut fields = missing_fields(arguments, "message", &["message"]);
    match recipient {
        Ok(recipient) if fields.is_empty() => return Ok(recipient),
        Ok(_) => {}
        Err([None, None, None]) => {
            let rule = "is required for action=message, or to_worker or to_capability in its place";
            fields.push((RECIPIENTS[0].to_owned(), rule.to_owned()));
        }
        Err(given) => {
            let rule = format!("must stand alone: give one of {}", RECIPIENTS.join(", "));
            let named = RECIPIENTS.iter().zip(given);
            let named = named.filter_map(|(name, given)| given.map(|_| (*name).to_owned()));
            fields.extend(named.map(|name| (name, rule.clone())));
        }
    }
    Err(incomplete("message", fields))
}

/// What the checkpoint service knows of the recipient.
#[derive(Clone, PartialEq)]
enum Known {
    /// It is no session, it lives, or nobody can say.
    AsItIs,
    /// The session's client is gone.
    Interrupted,
    /// The session was ended for good, at this time.
    Ended(Option<Timestamp>),
    /// There is no session with this id.
    Nowhere,
}

async fn look_up(call: &ToolCall, recipient: &Recipient) -> Known {
    let Recipient::SessionId(session_id) = recipient else {
        return Known::AsItIs;
    };
    let request = GetSessionRequest {
        session_id: session_id.clone(),
    };
    match call.gateway.services.get_session(request).await {
        Ok(found) => {
            let session = found.session.unwrap_or_default();
            match session.status() {
                SessionStatus::Ended => Known::Ended(session.ended_at),
                SessionStatus::Interrupted => Known::Interrupted,
                _ => Known::AsItIs,
            }
        }
        Err(status) if status.code() == Code::NotFound => Known::Nowhere,
        Err(_) => Known::AsItIs,
    }
}

/// The refusal of a message that nobody would read.
fn ended(recipient: &Recipient, at: Option<&Timestamp>) -> ToolError {
    let (to, when) = (name(recipient), phrases::ago(at));
    ToolError::new(
        SESSION_ENDED,
        format!("{to} was ended {when}, so nobody reads its messages; nothing was sent"),
    )
    .next_step(
        "shim_session_status view=sessions lists the sessions that go on; send it to one of those",
    )
}

fn to_error(status: Status, recipient: &Recipient) -> ToolError {
    let error = ToolError::from(status);
    if let (Recipient::SessionId(id), WORKER_NOT_FOUND) = (recipient, &*error.reason) {
        let message = format!("there is no session {id}; nothing was sent");
        return ToolError::new(SESSION_NOT_FOUND, message)
            .next_step("shim_session_status view=sessions lists the sessions there are");
    }
    error
        .next_step_for(NO_RECIPIENTS, WORKERS)
        .next_step_for(WORKER_NOT_FOUND, WORKERS)
        .next_step_for(
            INBOX_FULL,
            "the reader has too much unread: send it again when it has called a tool, or ask another one",
        )
}

fn name(recipient: &Recipient) -> String {
    match recipient {
        Recipient::SessionId(id) => format!("session {id}"),
        Recipient::WorkerId(id) => format!("worker {id}"),
        Recipient::Capability(name) => format!("every living worker with {name}"),
    }
}

fn render(recipient: &Recipient, inboxes: u32, note: Option<&str>) -> Page {
    let to = name(recipient);
    let mut text = Page::of(format!(
        "Message to {to} put into {inboxes} inbox(es). It is kept until it is read; a Claude session reads it with \
         its next tool call."
    ));
    if let Some(note) = note {
        text.line(note);
    }
    text
}
