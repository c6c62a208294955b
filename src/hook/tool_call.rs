//! `PreToolUse`: the call is told, and a write to a file that another session leases is warned of or denied.

use std::time::SystemTime;

use shim_claude_code::hook_input::HookInput;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ObservedEvent, ToolCallFinished, ToolOutcome};
use uuid::Uuid;

use super::hook_folder::HookFolder;
use super::journal::Line;
use super::reply::Reply;
use super::stack::{HookStack, Trouble};
use super::{LeaseRule, leases};

/// Why a denied call ended, as its record says.
const DENIED: &str = "another session leases the file";

pub(super) async fn run(
    stack: &HookStack,
    hook: &HookInput,
    event: &ObservedEvent,
    place: &HookFolder,
) -> Result<Reply, Trouble> {
    let settings = stack.settings();
    if !hook.writes() || (settings.leases == LeaseRule::Off && !settings.auto_lease) {
        stack.report(vec![event.clone()]).await?;
        return Ok(Reply::Nothing);
    }
    let guidance = stack.guidance(event).await.map_err(not_looked_at)?;
    if guidance.session_id.is_empty() {
        return Ok(Reply::Nothing);
    }
    let reply = leases::check(stack, hook, &guidance.session_id).await;
    let reply = reply.unwrap_or_else(|why| {
        let what = format!("leases on files were not looked at: {why}");
        place.journal.note(&Line::error_of(hook, &what));
        Reply::Nothing
    });
    if let (Reply::Deny(_), Some(denied)) = (&reply, denied(event)) {
        // No hook tells the end of a call that a hook denied.
        if let Err(why) = stack.report(vec![denied]).await {
            place.journal.note(&Line::error_of(hook, &why.to_string()));
        }
    }
    Ok(reply)
}

/// The log says of a write that nobody checked it.
fn not_looked_at(why: Trouble) -> Trouble {
    match why {
        Trouble::Away(why) => Trouble::Away(format!("{why}; leases on files were not looked at")),
        refused => refused,
    }
}

/// The end of a call that did not run.
fn denied(event: &ObservedEvent) -> Option<ObservedEvent> {
    let Some(Event::ToolCallStarted(started)) = &event.event else {
        return None;
    };
    Some(ObservedEvent {
        event_id: Uuid::now_v7().to_string(),
        at: Some(SystemTime::now().into()),
        event: Some(Event::ToolCallFinished(ToolCallFinished {
            tool_use_id: started.tool_use_id.clone(),
            tool_name: started.tool_name.clone(),
            summary: started.summary.clone(),
            files: started.files.clone(),
            outcome: ToolOutcome::Denied.into(),
            error: DENIED.to_owned(),
            ..ToolCallFinished::default()
        })),
        ..event.clone()
    })
}
