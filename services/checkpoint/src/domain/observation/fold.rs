//! What one event changes.

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    CompactionFinished, EditedFile, FileUse, ObservationSource, ObservedEvent, OpenToolCall,
    PromptSubmitted, SessionEnded, SessionStartSource, SessionStarted, ToolCallFinished,
    ToolCallStarted, ToolOutcome, TurnEnded, TurnOutcome, UsageMeasured,
};

use super::{KeptSubagent, Observation, bounds, micros, plan};

/// What a transcript tells within this time of what a hook told may be the same, in microseconds.
const SAME_MOMENT: u64 = 60_000_000;

/// Beginnings of processes that are remembered.
const MAX_STARTS: usize = 32;

/// What the store knows of an event beside the observation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether the other half of the tool call was folded before.
    pub(crate) other_half: bool,
}

/// The observation after an event that was not folded before.
#[must_use]
pub(crate) fn fold(mut it: Observation, event: &ObservedEvent, seen: Seen) -> Observation {
    let at = micros(event.at.as_ref());
    place(&mut it, event, at);
    let is_own = event.agent_id.is_empty();
    let is_work = match &event.event {
        Some(Event::SessionStarted(started)) => start(&mut it, started, at),
        Some(Event::PromptSubmitted(prompt)) => submit(&mut it, prompt, at, event.source()),
        Some(Event::ToolCallStarted(call)) => begin_call(&mut it, call, at, event, seen),
        Some(Event::ToolCallFinished(call)) => finish_call(&mut it, call, at, seen),
        Some(Event::CompactionFinished(done)) => compact(&mut it, done, at, event.source()),
        Some(Event::TurnEnded(turn)) if is_own => end_turn(&mut it, turn, at),
        Some(Event::SubagentStarted(_)) => subagent(&mut it, &event.agent_id, |agent| {
            agent.started = agent.started.max(at);
        }),
        Some(Event::SubagentEnded(_)) => subagent(&mut it, &event.agent_id, |agent| {
            agent.ended = agent.ended.max(at);
        }),
        Some(Event::SessionEnded(ended)) => end(&mut it, *ended, at),
        Some(Event::UsageMeasured(usage)) => measure(&mut it, usage, at),
        Some(Event::CompactionStarted(_) | Event::CwdChanged(_) | Event::TurnEnded(_)) | None => {
            false
        }
    };
    it.changes += u64::from(is_work);
    settle(&mut it);
    bounds::apply(&mut it);
    it
}

/// Where the conversation works, and when it was heard of last.
fn place(it: &mut Observation, event: &ObservedEvent, at: i64) {
    let state = &mut it.state;
    if at >= micros(state.last_event_at.as_ref()) {
        state.last_event_at = event.at;
    }
    state.has_transcript |= event.source() == ObservationSource::Transcript;
    if at < it.times.placed || !event.agent_id.is_empty() {
        return;
    }
    it.times.placed = at;
    state.conversation.clone_from(&event.conversation);
    for (kept, told) in [
        (&mut state.cwd, &event.cwd),
        (&mut state.transcript_path, &event.transcript_path),
    ] {
        if !told.is_empty() {
            kept.clone_from(told);
        }
    }
}

fn start(it: &mut Observation, started: &SessionStarted, at: i64) -> bool {
    it.times.active = it.times.active.max(at);
    // A compaction goes on in the same process, with the same calls in hand.
    if started.source() != SessionStartSource::Compact {
        it.times.started = it.times.started.max(at);
        let place = it.starts.partition_point(|start| *start < at);
        it.starts.insert(place, at);
        it.starts
            .drain(..it.starts.len().saturating_sub(MAX_STARTS));
    }
    if started.context_tokens.is_some() || !started.model.is_empty() {
        let usage = UsageMeasured {
            context_tokens: started.context_tokens,
            model: started.model.clone(),
            ..UsageMeasured::default()
        };
        measure(it, &usage, at);
    }
    false
}

fn submit(
    it: &mut Observation,
    prompt: &PromptSubmitted,
    at: i64,
    source: ObservationSource,
) -> bool {
    let times = &mut it.times;
    times.active = times.active.max(at);
    times.turn_began = times.turn_began.max(at);
    let state = &mut it.state;
    let is_retold = source == ObservationSource::Transcript
        && ((prompt.text == state.last_prompt && at.abs_diff(times.prompted) < SAME_MOMENT)
            || (prompt.text == state.first_prompt
                && at.abs_diff(times.first_prompted) < SAME_MOMENT));
    if prompt.by_client || is_retold {
        return !is_retold;
    }
    state.prompts += 1;
    note_turn(
        &mut it.turn_prompt_id,
        &mut times.turn_prompted,
        &prompt.prompt_id,
        at,
    );
    if times.first_prompted == 0 || at < times.first_prompted {
        times.first_prompted = at;
        state.first_prompt.clone_from(&prompt.text);
    }
    if at >= times.prompted {
        times.prompted = at;
        state.last_prompt.clone_from(&prompt.text);
        state.prompted_at = Some(shim_sqlite::UnixMicros(at).into());
    }
    true
}

/// Which prompt began the newest turn, and when: of prompts of one turn the first.
fn note_turn(turn: &mut String, began: &mut i64, prompt_id: &str, at: i64) {
    if !prompt_id.is_empty() && turn == prompt_id {
        *began = (*began).min(at);
    } else if at >= *began {
        *began = at;
        prompt_id.clone_into(turn);
    }
}

fn begin_call(
    it: &mut Observation,
    call: &ToolCallStarted,
    at: i64,
    event: &ObservedEvent,
    seen: Seen,
) -> bool {
    it.times.active = it.times.active.max(at);
    if event.agent_id.is_empty() {
        it.times.turn_began = it.times.turn_began.max(at);
    }
    if seen.other_half {
        return false;
    }
    it.state.tool_calls += 1;
    it.state.open_tool_calls.push(OpenToolCall {
        tool_use_id: call.tool_use_id.clone(),
        tool_name: call.tool_name.clone(),
        summary: call.summary.clone(),
        files: call.files.clone(),
        started_at: event.at,
        agent_id: event.agent_id.clone(),
    });
    true
}

fn finish_call(it: &mut Observation, call: &ToolCallFinished, at: i64, seen: Seen) -> bool {
    let state = &mut it.state;
    state.tool_calls += u64::from(!seen.other_half);
    it.finished_calls += 1;
    let is_this = |open: &OpenToolCall| open.tool_use_id == call.tool_use_id;
    let open = state.open_tool_calls.iter().position(is_this);
    let open = open.map(|place| state.open_tool_calls.remove(place));
    match call.outcome() {
        ToolOutcome::Unspecified | ToolOutcome::Succeeded => {}
        ToolOutcome::Failed => {
            state.tool_failures += 1;
            return true;
        }
        ToolOutcome::Interrupted | ToolOutcome::Denied => return true,
    }
    let told = Some(&call.files).filter(|files| !files.is_empty());
    let files = told.or(open.as_ref().map(|open| &open.files));
    for file in files.into_iter().flatten() {
        if file.r#use() == FileUse::Write {
            edit(&mut state.edited_files, &file.path, at);
        }
    }
    if let Some(update) = &call.plan {
        it.times.plan_changed = it.times.plan_changed.max(at);
        plan::update(&mut it.plan, &mut it.times.planned, update, at);
    }
    true
}

fn edit(files: &mut Vec<EditedFile>, path: &str, at: i64) {
    let place = files.iter().position(|file| file.path == path);
    let mut file = match place {
        Some(place) => files.remove(place),
        None => EditedFile {
            path: path.to_owned(),
            ..EditedFile::default()
        },
    };
    file.edits = file.edits.saturating_add(1);
    let last = micros(file.last_edited_at.as_ref()).max(at);
    file.last_edited_at = Some(shim_sqlite::UnixMicros(last).into());
    let newer = |other: &EditedFile| {
        let other_at = micros(other.last_edited_at.as_ref());
        (other_at, &other.path) > (last, &file.path)
    };
    let place = files.iter().take_while(|other| newer(other)).count();
    files.insert(place, file);
}

fn compact(
    it: &mut Observation,
    done: &CompactionFinished,
    at: i64,
    source: ObservationSource,
) -> bool {
    let is_near = at.abs_diff(it.times.compacted) < SAME_MOMENT;
    if source == ObservationSource::Transcript && is_near {
        return false;
    }
    it.state.compactions += 1;
    if at >= it.times.compacted {
        it.times.compacted = at;
        it.compaction_summary.clone_from(&done.summary);
    }
    true
}

fn end_turn(it: &mut Observation, turn: &TurnEnded, at: i64) -> bool {
    if at >= it.times.answered && !turn.last_answer.is_empty() {
        it.times.answered = at;
        it.state.last_answer.clone_from(&turn.last_answer);
    }
    if at >= it.times.turn_ended {
        it.times.turn_ended = at;
        let outcome = match turn.outcome() {
            TurnOutcome::Unspecified => TurnOutcome::Completed,
            told => told,
        };
        it.state.set_last_turn_outcome(outcome);
        it.state.last_turn_error.clone_from(&turn.error);
    }
    true
}

/// What has no name cannot be told from its like: the client's own calls for a summary are such.
fn subagent(it: &mut Observation, id: &str, change: impl FnOnce(&mut KeptSubagent)) -> bool {
    if id.is_empty() {
        return false;
    }
    let known = it.subagents.iter_mut().find(|agent| agent.id == id);
    match known {
        Some(agent) => change(agent),
        None => {
            let mut agent = KeptSubagent {
                id: id.to_owned(),
                ..KeptSubagent::default()
            };
            change(&mut agent);
            it.subagents.push(agent);
        }
    }
    true
}

fn end(it: &mut Observation, ended: SessionEnded, at: i64) -> bool {
    if at >= it.times.ended {
        it.times.ended = at;
        it.end_reason = ended.reason;
    }
    false
}

/// The newest figures; what they leave out stays as it was.
fn measure(it: &mut Observation, told: &UsageMeasured, at: i64) -> bool {
    let kept = it.state.usage.take().unwrap_or_default();
    let is_newer = at >= it.times.measured;
    let (newer, older) = match is_newer {
        true => (told.clone(), kept),
        false => (kept, told.clone()),
    };
    it.times.measured = it.times.measured.max(at);
    it.state.usage = Some(UsageMeasured {
        context_tokens: newer.context_tokens.or(older.context_tokens),
        context_window: newer.context_window.or(older.context_window),
        cost_usd: newer.cost_usd.or(older.cost_usd),
        total_duration: newer.total_duration.or(older.total_duration),
        api_duration: newer.api_duration.or(older.api_duration),
        lines_added: newer.lines_added.or(older.lines_added),
        lines_removed: newer.lines_removed.or(older.lines_removed),
        cache_hit_ratio: newer.cache_hit_ratio.or(older.cache_hit_ratio),
        model: match newer.model.is_empty() {
            true => older.model,
            false => newer.model,
        },
    });
    false
}

/// What follows from the times: whether a turn runs, whether the client ended, and which calls cannot be open any more.
fn settle(it: &mut Observation) {
    let times = it.times;
    it.state.is_in_turn = times.turn_began > times.turn_ended.max(times.started);
    let is_over = times.ended > 0 && times.ended >= times.active;
    it.state.ended = is_over.then_some(it.end_reason);
    // A call that an earlier process of the client began is told until the conversation goes on in a later one.
    let earlier = it.starts.iter().rfind(|start| **start < times.turn_began);
    let lost = earlier.copied().unwrap_or(0);
    let own_over = times.turn_ended.max(times.turn_prompted).max(lost);
    let subagents = &it.subagents;
    it.state.open_tool_calls.retain(|call| {
        let began = micros(call.started_at.as_ref());
        if call.agent_id.is_empty() {
            return began >= own_over;
        }
        let agent = subagents.iter().find(|agent| agent.id == call.agent_id);
        began >= lost && agent.is_none_or(|agent| began > agent.ended)
    });
    let by_time = |call: &OpenToolCall| micros(call.started_at.as_ref());
    it.state.open_tool_calls.sort_by(|one, other| {
        (by_time(one), &one.tool_use_id).cmp(&(by_time(other), &other.tool_use_id))
    });
}
