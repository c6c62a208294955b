//! The files that a checkpoint names.

use shim_proto::checkpoint::v1::CheckpointState;
use shim_proto::limits::MAX_LIST;

/// The active files, then those that the session was seen to edit; as many as a restore takes.
pub(super) fn paths(state: &CheckpointState) -> Vec<String> {
    let active = state.active_files.iter().map(|file| &file.path);
    let mut paths: Vec<String> = active.cloned().collect();
    for edited in state.observed.iter().flat_map(|seen| &seen.edited_files) {
        if paths.len() < MAX_LIST && !paths.contains(&edited.path) {
            paths.push(edited.path.clone());
        }
    }
    paths
}
