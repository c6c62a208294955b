//! One hook from its event to what is printed.

use std::io::Write;

use shim_claude_code::hook_input::HookInput;
use shim_proto::checkpoint::v1::ObservedEvent;

use super::hook_folder::HookFolder;
use super::journal::Line;
use super::reply::Reply;
use super::stack::{HookStack, Trouble};
use super::worker_turn::promise::PromisedReply;
use super::{leases, session_start, tool_call, worker_turn};
use crate::config::Config;

/// Tells the stack what happened, and prints what it says.
pub(super) async fn run(config: &Config, hook: &HookInput, place: &HookFolder) {
    let Some(event) = hook.event.clone() else {
        return;
    };
    if hook.name == "StopFailure" {
        // A headless client ends without waiting for it: kept first, told if there is time. Told twice, it counts once.
        place.keep(hook, "the client does not wait for this hook");
    }
    match answer(config, hook, &event, place).await {
        Ok(PromisedReply { reply, promise }) => {
            let is_said = print(&reply, hook);
            if let Err(why) = promise.settle(is_said, hook, &reply).await {
                place.journal.note(&Line::error_of(hook, &why.to_string()));
            }
        }
        Err(Trouble::Away(why)) => place.keep(hook, &why),
        Err(Trouble::Refused(why)) => place.journal.note(&Line::error_of(hook, &why)),
    }
}

async fn answer(
    config: &Config,
    hook: &HookInput,
    event: &ObservedEvent,
    place: &HookFolder,
) -> Result<PromisedReply, Trouble> {
    let stack = HookStack::of(config, deadline(hook))?;
    match hook.name.as_str() {
        "SessionStart" => Ok(session_start::run(config, &stack, hook, event, place)
            .await?
            .into()),
        "UserPromptSubmit" => Ok(session_start::prompt(config, &stack, hook, event, place)
            .await?
            .into()),
        "PreToolUse" => Ok(tool_call::run(&stack, hook, event, place).await?.into()),
        "Stop" => {
            let guidance = stack.guidance(event).await?;
            Ok(worker_turn::run(&stack, hook, &guidance.session_id, place).await)
        }
        "SessionEnd" if stack.settings().auto_lease => {
            let session = stack.guidance(event).await?.session_id;
            if let Err(why) = leases::release(&stack, hook, &session).await {
                place.journal.note(&Line::error_of(hook, &why.to_string()));
            }
            Ok(PromisedReply::default())
        }
        _ => {
            stack.report(vec![event.clone()]).await?;
            Ok(PromisedReply::default())
        }
    }
}

/// How long the client may be kept waiting: a tool less than a turn. A write waits for longer, since a stack that is late
/// would let it run into another session's lease; one that is away answers at once.
fn deadline(hook: &HookInput) -> std::time::Duration {
    let milliseconds = match hook.name.as_str() {
        "PreToolUse" if hook.writes() => 1_000,
        "PreToolUse" => 150,
        _ => 300,
    };
    std::time::Duration::from_millis(milliseconds)
}

/// Whether all of it was written: a client that is gone reads nothing.
fn print(reply: &Reply, hook: &HookInput) -> bool {
    let Some(json) = reply.json(&hook.name) else {
        return true;
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{json}").and_then(|()| out.flush()).is_ok()
}
