//! `action=message`: a durable message for one session, one worker, or every worker with a capability.

use serde_json::json;
use shim_proto::checkpoint::v1::{GetSessionRequest, SessionStatus};
use shim_proto::coordination::v1::SendMessageRequest;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::reasons::{INBOX_FULL, NO_RECIPIENTS, WORKER_NOT_FOUND};
use tonic::Code;

use crate::arguments::Arguments;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::action_arguments::{incomplete, missing_fields};
use crate::tools::call::{ToolCall, ToolOutput};

/// The arguments that name the recipients; a message takes one of them.
const RECIPIENTS: [&str; 3] = ["to_session", "to_worker", "to_capability"];

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
    let (sender, delivery_warning) = tokio::join!(acquire, delivery_warning(call, &recipient));
    let sender = sender?.session_id;
    let request = SendMessageRequest {
        request_id: request_id(),
        sender: sender.clone(),
        recipient: Some(recipient.clone()),
        text: arguments.text_or_empty("message"),
        data: None,
    };
    let sent = call.gateway.services.send_message(request).await;
    let sent = sent.map_err(|status| with_next_steps(status.into()).about(sender.as_str()))?;
    let text = render(&recipient, sent.recipients, delivery_warning.as_deref());
    Ok(ToolOutput::new(text, json!({"recipients": sent.recipients})).with_session(sender))
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

/// Why the message may never be read. Sessions of other stacks on the same Redis are not known here, so it is sent
/// all the same.
async fn delivery_warning(call: &ToolCall, recipient: &Recipient) -> Option<String> {
    let Recipient::SessionId(session_id) = recipient else {
        return None;
    };
    let request = GetSessionRequest {
        session_id: session_id.clone(),
    };
    let found = call.gateway.services.get_session(request).await;
    let status = found.map(|found| found.session.unwrap_or_default().status());
    match status {
        Ok(SessionStatus::Ended) => Some(
            "That session has ended: nobody reads the message unless it is restored".to_owned(),
        ),
        Err(status) if status.code() == Code::NotFound => Some(
            "This stack knows no session with that id: nobody reads the message unless another stack on the same \
             Redis has it; shim_session_status view=sessions lists those of this one"
                .to_owned(),
        ),
        _ => None,
    }
}

fn with_next_steps(error: ToolError) -> ToolError {
    error
        .next_step_for(NO_RECIPIENTS, WORKERS)
        .next_step_for(WORKER_NOT_FOUND, WORKERS)
        .next_step_for(
            INBOX_FULL,
            "the reader has too much unread: send it again when it has called a tool, or ask another one",
        )
}

fn render(recipient: &Recipient, inboxes: u32, delivery_warning: Option<&str>) -> String {
    let to = match recipient {
        Recipient::SessionId(id) => format!("session {id}"),
        Recipient::WorkerId(id) => format!("worker {id}"),
        Recipient::Capability(name) => format!("every living worker with {name}"),
    };
    let mut text = format!(
        "Message to {to} put into {inboxes} inbox(es). It is kept until it is read; a Claude session reads it with \
         its next tool call."
    );
    if let Some(delivery_warning) = delivery_warning {
        text.push_str(&format!("\n{delivery_warning}."));
    }
    text
}
