//! What the services know of the session: one question, and two more once its id is known.

use std::time::Duration;

use shim_proto::checkpoint::v1::{ObservedEvent, SessionFacts};
use shim_proto::coordination::v1::{GetWorkerRequest, ReceiveMessagesRequest, WorkerState};

use crate::config::Config;
use crate::hook::stack::HookStack;

/// How long tasks and messages are waited for.
const COORDINATION_WITHIN: Duration = Duration::from_millis(100);

/// What is known; what is not is unset.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts {
    /// The conversation has a session.
    pub(super) has_session: bool,
    /// How it stands.
    pub(super) standing: SessionFacts,
    /// Tasks that it works at.
    pub(super) tasks: Option<u32>,
    /// Messages that it did not read.
    pub(super) unread: Option<u64>,
}

/// Tells the client's figures and asks how the session stands. What does not answer in time is left out.
pub(super) async fn ask(config: &Config, event: &ObservedEvent, within: Duration) -> Facts {
    let Ok(stack) = HookStack::of(config, within) else {
        return Facts::default();
    };
    let Ok(answer) = stack.guidance(event).await else {
        return Facts::default();
    };
    let session = answer.session_id;
    let mut facts = Facts {
        has_session: !session.is_empty(),
        standing: answer.facts.unwrap_or_default(),
        ..Facts::default()
    };
    if facts.has_session {
        let stack = stack.within(COORDINATION_WITHIN);
        (facts.tasks, facts.unread) =
            tokio::join!(tasks(&stack, &session), unread(&stack, &session));
    }
    facts
}

/// A window that works is registered under the id of its session.
async fn tasks(stack: &HookStack, session: &str) -> Option<u32> {
    let request = GetWorkerRequest {
        worker_id: session.to_owned(),
    };
    let mut registry = stack.registry()?;
    let found = registry.get_worker(stack.request(request));
    let worker = stack.answer(found).await.ok()?.worker?;
    let is_gone = matches!(worker.state(), WorkerState::Stopped | WorkerState::Dead);
    (!is_gone).then_some(worker.running)
}

async fn unread(stack: &HookStack, session: &str) -> Option<u64> {
    let request = ReceiveMessagesRequest {
        inbox: session.to_owned(),
        max_messages: 1,
        peek: true,
        ..ReceiveMessagesRequest::default()
    };
    let mut bus = stack.bus()?;
    let found = stack
        .answer(bus.receive_messages(stack.request(request)))
        .await
        .ok()?;
    Some(found.messages.len() as u64 + found.remaining)
}
