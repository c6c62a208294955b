//! What a hook says, and what it owes once that is written: acknowledgements, or a task that goes back.

use std::time::{Duration, SystemTime};

use shim_claude_code::hook_input::HookInput;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ObservedEvent, PromptSubmitted};
use shim_proto::coordination::v1::AckMessagesRequest;
use shim_proto::worker::v1::ReleaseTaskRequest;
use uuid::Uuid;

use super::claim_name::ClaimName;
use super::continuations::Continuations;
use crate::hook::reply::Reply;
use crate::hook::stack::{HookStack, Trouble};

/// For all that is asked at the end of a turn.
pub(super) const WITHIN: Duration = Duration::from_secs(2);

/// What is to be printed, and what is to be done once it is.
#[derive(Default)]
pub(in crate::hook) struct PromisedReply {
    pub(in crate::hook) reply: Reply,
    pub(in crate::hook) promise: Promise,
}

impl From<Reply> for PromisedReply {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            ..Self::default()
        }
    }
}

/// What is owed once the words are written, or cannot be.
#[derive(Default)]
pub(in crate::hook) struct Promise {
    pub(super) stack: Option<HookStack>,
    pub(super) session_id: String,
    /// The task that was claimed, and its lease.
    pub(super) claimed: Option<(String, u64)>,
    /// The name of that claim.
    pub(super) claim_name: Option<ClaimName>,
    /// Messages among the words.
    pub(super) delivered: Vec<String>,
    pub(super) continuations: Option<Continuations>,
}

impl Promise {
    /// Acknowledges what was said, or gives back what could not be.
    pub(in crate::hook) async fn settle(
        self,
        is_said: bool,
        hook: &HookInput,
        reply: &Reply,
    ) -> Result<(), Trouble> {
        let (Some(stack), Reply::KeepGoing(words)) = (&self.stack, reply) else {
            return Ok(());
        };
        let stack = stack.within(WITHIN);
        if !is_said {
            return self.give_back(&stack).await;
        }
        self.forget_claim();
        if let Some(continuations) = &self.continuations {
            continuations.count_one();
        }
        if let Some(event) = &hook.event {
            stack.report(vec![kept_going(event, words)]).await?;
        }
        self.acknowledge(&stack).await
    }

    async fn acknowledge(&self, stack: &HookStack) -> Result<(), Trouble> {
        let (Some(mut bus), false) = (stack.bus(), self.delivered.is_empty()) else {
            return Ok(());
        };
        let request = stack.request(AckMessagesRequest {
            inbox: self.session_id.clone(),
            message_ids: self.delivered.clone(),
        });
        stack.answer(bus.ack_messages(request)).await.map(drop)
    }

    async fn give_back(&self, stack: &HookStack) -> Result<(), Trouble> {
        let (Some(mut worker), Some((task_id, lease))) = (stack.worker(), &self.claimed) else {
            return Ok(());
        };
        let request = stack.request(ReleaseTaskRequest {
            request_id: Uuid::now_v7().to_string(),
            task_id: task_id.clone(),
            lease: *lease,
            reason: "the window that claimed it was gone before it could be told".to_owned(),
        });
        stack.answer(worker.release_task(request)).await?;
        self.forget_claim();
        Ok(())
    }

    fn forget_claim(&self) {
        if let Some(name) = &self.claim_name {
            name.forget();
        }
    }
}

/// The event of a turn that goes on because a hook asked for it: the prompt is nobody's words.
fn kept_going(event: &ObservedEvent, words: &str) -> ObservedEvent {
    let first = words.lines().next().unwrap_or_default();
    ObservedEvent {
        event_id: Uuid::now_v7().to_string(),
        at: Some(SystemTime::now().into()),
        event: Some(Event::PromptSubmitted(PromptSubmitted {
            prompt_id: String::new(),
            text: first.to_owned(),
            by_client: true,
        })),
        ..event.clone()
    }
}
