//! The answer to a save, and what the ledger keeps of it: every save writes that, so the header of the checkpoint and what
//! the headers of tasks say are left out and read again if the request is repeated.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{Checkpoint, SaveCheckpointResponse, SaveReport, SessionTask};
use shim_runtime::ids::CheckpointId;

use super::tables::appending::Appended;
use super::tables::checkpoints;
use super::tables::task_texts;
use super::tables::text_memory::TaskText;
use crate::domain::save_report;
use crate::error::Error;

/// The answer, and what is kept of it.
pub(super) fn build(
    db: &Connection,
    session: i64,
    report: SaveReport,
    appended: Appended,
) -> Result<(SaveCheckpointResponse, SaveCheckpointResponse), Error> {
    let Appended {
        checkpoint,
        change,
        left,
    } = appended;
    let mut report = save_report::complete(report, change);
    let kept = SaveCheckpointResponse {
        checkpoint: Some(Checkpoint {
            id: checkpoint.id.clone(),
            ..Checkpoint::default()
        }),
        report: Some(shortened(&report)),
    };
    for task in others(&mut report).filter(|task| task_texts::is_short(task)) {
        let text = match &left {
            Some((number, text)) if *number == task.checkpoint_number => Some(text.clone()),
            _ => task_texts::of(db, session, task.checkpoint_number)?,
        };
        fill(text, task);
    }
    let response = SaveCheckpointResponse {
        checkpoint: Some(checkpoint),
        report: Some(report),
    };
    Ok((response, kept))
}

/// The answer of what was kept of it. Older versions kept all of it.
pub(super) fn rebuild(
    db: &Connection,
    kept: SaveCheckpointResponse,
) -> Result<SaveCheckpointResponse, Error> {
    let id = match &kept.checkpoint {
        Some(checkpoint) if checkpoint.number == 0 => checkpoint.id.clone(),
        _ => return Ok(kept),
    };
    let known: CheckpointId = id
        .parse()
        .map_err(|_| Error::CheckpointNotFound(id.clone()))?;
    let row = checkpoints::by_id(db, known)?;
    // As it was when it was saved.
    let checkpoint = Checkpoint {
        thinned_at: None,
        ..row.header()?
    };
    let mut report = kept.report.unwrap_or_default();
    for task in others(&mut report).filter(|task| task_texts::is_short(task)) {
        fill(
            task_texts::of(db, row.session, task.checkpoint_number)?,
            task,
        );
    }
    if let Some(task) = &mut report.task {
        TaskText::of_header(checkpoint.clone()).fill(task);
    }
    Ok(SaveCheckpointResponse {
        checkpoint: Some(checkpoint),
        report: Some(report),
    })
}

fn fill(text: Option<TaskText>, task: &mut SessionTask) {
    if let Some(text) = text {
        text.fill(task);
    }
}

/// The tasks of a report but for the one that was saved.
fn others(report: &mut SaveReport) -> impl Iterator<Item = &mut SessionTask> {
    let others = report.left_task.iter_mut().chain(&mut report.open_tasks);
    others.chain(&mut report.unlisted_tasks)
}

/// The report without what the headers of its tasks say. The task that was saved is that of the checkpoint.
fn shortened(report: &SaveReport) -> SaveReport {
    let mut report = report.clone();
    if let Some(task) = &mut report.task {
        task.current_task.clear();
        task.checkpoint_id.clear();
        (task.progress, task.saved_at) = (0.0, None);
    }
    for task in others(&mut report).filter(|task| task_texts::is_short(task)) {
        task.progress = 0.0;
    }
    report
}
