//! `SessionStart` and `UserPromptSubmit`: the stack is started if it does not run, and its facts go to the model.
//!
//! A conversation that began while no stack ran is told at its first prompt what it would have been told at its start.

mod duties;

use std::time::Duration;

use shim_claude_code::hook_input::HookInput;
use shim_proto::checkpoint::v1::{GetGuidanceResponse, ObservedEvent};
use tokio::time::Instant;

use super::hook_folder::HookFolder;
use super::journal::Line;
use super::reply::Reply;
use super::spool::reader::drain;
use super::stack::{HookStack, Trouble};
use super::start;
use crate::config::Config;

/// Characters of all facts together.
const MAX_CONTEXT: usize = 1_500;
/// Between two tries to reach a stack that starts.
const POLL: Duration = Duration::from_millis(10);
/// Why a start stands in the spool.
const STARTS: &str = "the stack starts";

/// Tells the start, and gives the facts.
pub(super) async fn run(
    config: &Config,
    stack: &HookStack,
    hook: &HookInput,
    event: &ObservedEvent,
    place: &HookFolder,
) -> Result<Reply, Trouble> {
    match guidance_of_started(config, stack, event, place).await {
        Ok(guidance) => Ok(facts(stack, hook, guidance, place).await),
        Err(Trouble::Away(why)) => {
            if let Err(why) = place.spool.remember_start(event) {
                place.journal.note(&Line::error_of(hook, &why.to_string()));
            }
            Err(Trouble::Away(format!("{STARTS}: {why}")))
        }
        Err(refused) => Err(refused),
    }
}

/// Tells the prompt, and gives what the start of the conversation was not answered with.
pub(super) async fn prompt(
    config: &Config,
    stack: &HookStack,
    hook: &HookInput,
    event: &ObservedEvent,
    place: &HookFolder,
) -> Result<Reply, Trouble> {
    let Some(start) = place.spool.unanswered_start(&hook.conversation) else {
        let told = stack.report(vec![event.clone()]).await;
        if let Err(Trouble::Away(_)) = told {
            start::if_away(config, place);
        }
        return told.map(|()| Reply::Nothing);
    };
    // First, so that the prompt is not taken for the beginning. That it was told before has no further effect.
    let guidance = guidance_of_started(config, stack, &start, place).await?;
    place.spool.forget_start(&hook.conversation);
    stack.report(vec![event.clone()]).await?;
    Ok(said(guidance.context))
}

/// Asks, and starts a stack that does not run. It is asked again until it serves or the hook's time is over.
async fn guidance_of_started(
    config: &Config,
    stack: &HookStack,
    event: &ObservedEvent,
    place: &HookFolder,
) -> Result<GetGuidanceResponse, Trouble> {
    let mut answered = stack.guidance(event).await;
    if stack.is_local() && matches!(answered, Err(Trouble::Away(_))) {
        start::if_away(config, place);
        while matches!(answered, Err(Trouble::Away(_))) && Instant::now() + POLL < stack.deadline()
        {
            tokio::time::sleep(POLL).await;
            answered = stack.guidance(event).await;
        }
    }
    answered
}

async fn facts(
    stack: &HookStack,
    hook: &HookInput,
    guidance: GetGuidanceResponse,
    place: &HookFolder,
) -> Reply {
    if !stack.is_local() {
        // No stack of this machine reads what hooks kept for a service elsewhere.
        let service = stack.observations();
        let drained = tokio::time::timeout_at(stack.deadline(), drain(&place.spool, &service));
        if let Ok(Err(why)) = drained.await {
            place.journal.note(&Line::error_of(hook, &why));
        }
    }
    let mut context = guidance.context;
    if hook.start_source == "compact" && !guidance.session_id.is_empty() {
        let duties = duties::of(stack, &guidance.session_id, &hook.cwd).await;
        context = joined(&context, &duties);
    }
    said(context)
}

fn said(context: String) -> Reply {
    if context.trim().is_empty() {
        Reply::Nothing
    } else {
        Reply::Context(context)
    }
}

/// Both texts within the limit: what the session holds is short, and what it knew gives way by whole lines.
fn joined(context: &str, duties: &str) -> String {
    if duties.is_empty() {
        return context.to_owned();
    }
    let room = MAX_CONTEXT.saturating_sub(duties.chars().count() + 1);
    let mut kept = String::new();
    let mut used = 0;
    for line in context.lines() {
        used += line.chars().count() + 1;
        if used > room {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept + duties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_stay_within_the_limit_of_the_client() {
        let context = "a line of what was known\n".repeat(80);
        let duties = "Held: one lease";
        let both = joined(&context, duties);
        assert!(both.chars().count() <= MAX_CONTEXT, "{}", both.len());
        assert!(both.ends_with("\nHeld: one lease") && both.starts_with("a line"));
        assert_eq!(joined("known", ""), "known");
        assert_eq!(joined("", duties), duties);
    }
}
