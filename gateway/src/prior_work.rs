//! What an earlier worker left of a task, for the one that goes on with it: the facts of its last checkpoint, and what
//! became of its files since.
//!
//! The earlier worker's session is not touched: it may live, and it is not this worker's to restore.

use std::time::Duration;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, FilePresence, FileState, GetCheckpointRequest, GetSessionRequest,
};
use tonic::Status;

use crate::config::Project;
use crate::evidence;
use crate::gateway::Gateway;
use crate::render::words;
use crate::tool_error::ToolError;

/// A claim has waited long enough; what comes later is asked for again.
const READ_TIMEOUT: Duration = Duration::from_millis(2_500);
const MAX_ITEMS: usize = 40;
const MAX_ITEM_CHARACTERS: usize = 400;
const MAX_SUMMARY_CHARACTERS: usize = 6_000;

/// What was left.
pub(crate) struct PriorWork {
    pub(crate) prompt: String,
    /// Unset if it could not be read.
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// What was left of a task whose last checkpoint this is; `None` if it has none.
pub(crate) async fn of_task(gateway: &Gateway, checkpoint_id: &str) -> Option<PriorWork> {
    if checkpoint_id.is_empty() {
        return None;
    }
    let read = tokio::time::timeout(READ_TIMEOUT, read(gateway, checkpoint_id)).await;
    let read = read.unwrap_or_else(|_| Err(Status::deadline_exceeded("it came too late")));
    Some(match read {
        Ok((checkpoint, state, files)) => PriorWork {
            prompt: prompt(&checkpoint, &state, &files),
            checkpoint: Some(checkpoint),
        },
        Err(status) => PriorWork {
            prompt: format!(
                "An earlier worker saved checkpoint {checkpoint_id} for this task, which cannot be read now: {} \
                 action=claim tries again.",
                ToolError::from(status).text()
            ),
            checkpoint: None,
        },
    })
}

async fn read(
    gateway: &Gateway,
    checkpoint_id: &str,
) -> Result<(Checkpoint, CheckpointState, Vec<FileState>), Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: checkpoint_id.to_owned(),
        ..GetCheckpointRequest::default()
    };
    let found = gateway.services.get_checkpoint(request).await?;
    let checkpoint = found.checkpoint.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let session = GetSessionRequest {
        session_id: checkpoint.session_id.clone(),
    };
    let session = gateway.services.get_session(session).await;
    let project = session.ok().and_then(|found| found.session);
    let folder = project.and_then(|session| Project::named(&session.project).folder);
    let folder = folder.or_else(|| gateway.client_context.project.folder.clone());
    let paths = state.active_files.iter().map(|file| file.path.clone());
    let files = evidence::inspect_files(folder, paths.collect()).await;
    Ok((checkpoint, state, files))
}

fn prompt(checkpoint: &Checkpoint, state: &CheckpointState, files: &[FileState]) -> String {
    let mut text = format!(
        "# What an earlier worker left\nIt was at: {}\n{} done, saved {} as checkpoint {} of session {}.",
        words::quoted(&state.current_task, 4 * MAX_ITEM_CHARACTERS),
        words::percent(state.progress),
        words::ago(checkpoint.created_at.as_ref()),
        checkpoint.number,
        checkpoint.session_id,
    );
    section(&mut text, "Decisions taken", &state.decisions);
    section(
        &mut text,
        "Finished (need not be repeated)",
        &state.completed_steps,
    );
    section(&mut text, "Next steps, in order", &state.next_steps);
    section(&mut text, "Blockers", &state.blockers);
    let compared = state.active_files.iter().zip(files);
    let compared: Vec<_> = compared
        .map(|(then, now)| format!("{}: {}", then.path, verdict(then, now)))
        .collect();
    section(
        &mut text,
        "Files, compared with the checkpoint just now",
        &compared,
    );
    if !state.summary.is_empty() {
        let summary = words::quoted(&state.summary, MAX_SUMMARY_CHARACTERS);
        text.push_str(&format!("\n## Summary\n{summary}"));
    }
    text
}

/// The ends of a long list: steps matter from the front, decisions from the back.
fn section(text: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    text.push_str(&format!("\n## {title}"));
    let left_out = items.len().saturating_sub(MAX_ITEMS);
    let gap = MAX_ITEMS / 2..MAX_ITEMS / 2 + left_out;
    for (index, item) in items.iter().enumerate() {
        if index == gap.start && left_out > 0 {
            text.push_str(&format!("\n- ({left_out} more in the checkpoint)"));
        }
        if !gap.contains(&index) {
            text.push_str(&format!("\n- {}", words::quoted(item, MAX_ITEM_CHARACTERS)));
        }
    }
}

fn verdict(then: &FileState, now: &FileState) -> &'static str {
    match (then.presence(), now.presence()) {
        (_, FilePresence::Unspecified | FilePresence::Unreadable) => "cannot be looked at here",
        (FilePresence::Present, FilePresence::Missing) => "missing now",
        (_, FilePresence::Missing) => "still missing",
        (FilePresence::Present, FilePresence::Present) if is_same(then, now) => "unchanged",
        (FilePresence::Present, FilePresence::Present) => "CHANGED since",
        (_, FilePresence::Present) => "there now",
    }
}

fn is_same(then: &FileState, now: &FileState) -> bool {
    if then.blake3.is_empty() || now.blake3.is_empty() {
        return then.size_bytes == now.size_bytes && then.modified_at == now.modified_at;
    }
    then.blake3 == now.blake3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, blake3: &str) -> FileState {
        FileState {
            path: path.into(),
            presence: FilePresence::Present.into(),
            blake3: blake3.into(),
            ..FileState::default()
        }
    }

    #[test]
    fn the_prompt_names_what_is_done_what_is_open_and_what_changed() {
        let state = CheckpointState {
            current_task: "port the lexer".into(),
            progress: 0.4,
            decisions: vec!["hand-written, for speed".into()],
            completed_steps: vec!["tokens".into()],
            next_steps: vec!["strings".into()],
            active_files: vec![file("a.rs", "1"), file("b.rs", "1")],
            ..CheckpointState::default()
        };
        let now = [file("a.rs", "1"), file("b.rs", "2")];
        let text = prompt(&Checkpoint::default(), &state, &now);
        for line in [
            "It was at: port the lexer",
            "40 % done",
            "- hand-written, for speed",
            "## Finished (need not be repeated)\n- tokens",
            "## Next steps, in order\n- strings",
            "- a.rs: unchanged",
            "- b.rs: CHANGED since",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_long_list_keeps_its_ends() {
        let items: Vec<_> = (0..100).map(|n| format!("step {n}.")).collect();
        let mut text = String::new();
        section(&mut text, "Steps", &items);
        assert!(
            text.contains("step 0.") && text.contains("step 99.") && !text.contains("step 50.")
        );
        assert!(text.contains("(60 more in the checkpoint)"));
        assert_eq!(
            text.lines().filter(|line| line.contains("step ")).count(),
            MAX_ITEMS
        );
    }
}
