//! What a save is answered with: what became of what it named, cut so that the answer stays short. It is kept with the
//! request's id, so every save writes it.

use shim_proto::checkpoint::v1::{ItemCounts, SaveReport, SessionTask};
use shim_render::text::cut_bytes;

use super::session_tasks::TaskChange;

const MAX_TEXT_BYTES: usize = 200;
const MAX_ITEMS: usize = 20;

/// The report of a save that goes on from nothing.
pub(crate) fn of_whole(counts: ItemCounts) -> SaveReport {
    SaveReport {
        kept: Some(counts),
        carried_over: Some(ItemCounts::default()),
        ..SaveReport::default()
    }
}

/// The report with what the save made of the session's tasks.
pub(crate) fn complete(report: SaveReport, change: TaskChange) -> SaveReport {
    let short = |items: Vec<String>| -> Vec<String> {
        let items = items.iter().take(MAX_ITEMS);
        items
            .map(|item| cut_bytes(item, MAX_TEXT_BYTES).into_owned())
            .collect()
    };
    let unhashed = |task: SessionTask| SessionTask {
        text_hash: String::new(),
        before_rewording: None,
        ..task
    };
    let all = |tasks: Vec<SessionTask>| tasks.into_iter().map(unhashed).collect();
    SaveReport {
        reopened_steps: short(report.reopened_steps),
        dropped_steps: short(report.dropped_steps),
        retracted_decisions: short(report.retracted_decisions),
        unknown_decisions: short(report.unknown_decisions),
        similar_decisions: short(report.similar_decisions),
        finished_and_next: short(report.finished_and_next),
        left_open_steps: short(report.left_open_steps),
        unknown_steps: short(report.unknown_steps),
        relation: change.relation.into(),
        task: Some(unhashed(change.task)),
        left_task: change.left.map(unhashed),
        open_task_count: u32::try_from(change.open_count).unwrap_or(u32::MAX),
        open_tasks: all(change.open),
        unlisted_tasks: all(change.unlisted),
        unknown_tasks: short(change.unknown),
        gone_back_number: change.gone_back_number,
        ..report
    }
}
