//! How much is kept: the newest of each list, and so many bytes of all.

use prost::Message;
use shim_proto::limits::observation::{
    MAX_EDITED_FILES, MAX_OBSERVED_BYTES, MAX_OPEN_CALLS, MAX_STEPS, MAX_SUBAGENTS,
};

use super::{Observation, plan};

/// Subagents that ended are remembered among so many, so that a beginning that comes late does not make them run.
const MAX_KNOWN_SUBAGENTS: usize = 2 * MAX_SUBAGENTS;
/// How much stays of each list when room is short, one step after the other: files of an open call, edited files, steps.
const ROOM: [(usize, usize, usize); 3] = [(3, 100, 100), (1, 20, 20), (0, 20, 20)];

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
    for (files, edited, steps) in ROOM {
        if it.encoded_len() <= MAX_OBSERVED_BYTES {
            break;
        }
        let state = &mut it.state;
        for call in &mut state.open_tool_calls {
            call.files.truncate(files);
        }
        state.edited_files.truncate(edited);
        while it.plan.len() > steps && plan::drop_one(&mut it.plan) {}
    }
    it.compaction_summary = summary;
}

fn bound_subagents(it: &mut Observation) {
    while it.subagents.len() > MAX_KNOWN_SUBAGENTS
        || it
            .subagents
            .iter()
            .filter(|agent| it.is_running(agent))
            .count()
            > MAX_SUBAGENTS
    {
        let over = it.subagents.iter().position(|agent| !it.is_running(agent));
        it.subagents.remove(over.unwrap_or(0));
    }
}
