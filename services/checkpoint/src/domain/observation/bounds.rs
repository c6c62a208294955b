//! How much is kept: the newest of each list, and so many bytes of all.

use prost::Message;
use shim_proto::limits::observation::{
    MAX_EDITED_FILES, MAX_OBSERVED_BYTES, MAX_OPEN_CALLS, MAX_STEPS, MAX_SUBAGENTS,
};

use super::{Observation, plan};

/// Subagents that ended are remembered among so many, so that a beginning that comes late does not make them run.
const MAX_KNOWN_SUBAGENTS: usize = 2 * MAX_SUBAGENTS;
/// Files of an open call that stay when room is short.
const FEW_FILES: usize = 3;

/// Cuts what is over the limits.
pub(super) fn apply(it: &mut Observation) {
    let state = &mut it.state;
    let excess = state.open_tool_calls.len().saturating_sub(MAX_OPEN_CALLS);
    state.open_tool_calls.drain(..excess);
    state.edited_files.truncate(MAX_EDITED_FILES);
    while it.plan.len() > MAX_STEPS && plan::drop_one(&mut it.plan) {}
    bound_subagents(it);
    // The summary of the compaction has a limit and a place of its own.
    let summary = std::mem::take(&mut it.compaction_summary);
    while it.encoded_len() > MAX_OBSERVED_BYTES && give_way(it) {}
    it.compaction_summary = summary;
}

fn bound_subagents(it: &mut Observation) {
    while it.subagents.len() > MAX_KNOWN_SUBAGENTS
        || it.subagents.iter().filter(|agent| it.is_running(agent)).count() > MAX_SUBAGENTS
    {
        let over = it.subagents.iter().position(|agent| !it.is_running(agent));
        it.subagents.remove(over.unwrap_or(0));
    }
}

/// Drops a part of what weighs most and matters least; `false` if nothing is left to drop.
fn give_way(it: &mut Observation) -> bool {
    let state = &mut it.state;
    let wide = |call: &&mut shim_proto::checkpoint::v1::OpenToolCall| call.files.len() > FEW_FILES;
    if let Some(call) = state.open_tool_calls.iter_mut().find(wide) {
        call.files.truncate(FEW_FILES);
        return true;
    }
    if state.edited_files.len() > 1 {
        let kept = state.edited_files.len() * 3 / 4;
        state.edited_files.truncate(kept.max(1));
        return true;
    }
    if !it.plan.is_empty() {
        return plan::drop_one(&mut it.plan);
    }
    false
}
