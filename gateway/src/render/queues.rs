//! The queues in words: a table, and what is wrong with them.

use std::time::SystemTime;

use shim_proto::coordination::v1::{QueueHealthResponse, QueueReport};
use shim_render::page::Page;
use shim_render::tasks::{requirements, requirements_cell};
use shim_render::text::one_line;
use shim_render::time;
use shim_render::workers::unfit;

use crate::render::tasks::{MAX_CELL_CHARACTERS, cell};

/// The queues as a table, with what is wrong with them.
pub(crate) fn table(health: &QueueHealthResponse) -> Page {
    let mut text = Page::of(format!(
        "In the last minute {} completed and {} failed; {} in the dead letter, {} wait for an approval.",
        health.completed_last_minute,
        health.failed_last_minute,
        health.dead_letters,
        health.awaiting_approval,
    ));
    if health.queues.is_empty() {
        text.line("No queue was used lately.");
        return text;
    }
    text.line("needs | waiting | delayed | active | oldest | workers | room | state | by priority");
    for queue in &health.queues {
        text.line(queue_row(queue));
    }
    text.append(&troubles(health));
    text
}

/// What is wrong with the queues, a line for each kind.
fn troubles(health: &QueueHealthResponse) -> Page {
    let mut text = Page::default();
    if health.queues.iter().any(|queue| queue.paused) {
        text.line(
            "Paused: nobody gets a task of it, whoever is free; the user can run `shim tasks resume`.",
        );
    }
    if health.queues.iter().any(is_limited) {
        text.line(
            "Limited: a BullMQ client set a rate or a number of tasks at a time, and the queue has reached it.",
        );
    }
    if health.queues.iter().any(|queue| queue.starving) {
        text.line(
            "Starving: tasks wait and no living worker can do what they need; shim_worker_task action=register \
             with these capabilities makes a session one that can.",
        );
    }
    for queue in &health.queues {
        if let Some(unfit) = unfit(queue, SystemTime::now()) {
            let needs = requirements(queue.requirements.as_ref());
            text.line(format!(
                "Unfit for {}: {unfit}.",
                one_line(&needs, MAX_CELL_CHARACTERS)
            ));
        }
    }
    if health.queues.iter().any(|queue| queue.saturated) {
        text.line("Saturated: every worker that fits is full; more workers would help.");
    }
    text
}

/// Whether a limit that another program set holds tasks back now.
fn is_limited(queue: &QueueReport) -> bool {
    let is_maxed = queue.max_active > 0 && queue.active >= queue.max_active && queue.waiting > 0;
    queue.rate_limited_for.is_some() || is_maxed
}

fn queue_row(queue: &QueueReport) -> String {
    let oldest = time::duration(queue.oldest_age);
    let state = match (queue.starving, queue.saturated) {
        _ if queue.paused => "paused",
        _ if is_limited(queue) => "limited",
        (true, _) => "starving",
        (_, true) => "saturated",
        _ if queue.unfit > 0 && queue.unfit >= queue.workers => "unfit",
        _ => "ok",
    };
    let depths = queue.depths.iter();
    let depths: Vec<_> = depths
        .map(|depth| format!("{}:{}", depth.priority, depth.depth))
        .collect();
    format!(
        "{} | {} | {} | {} | {} | {} | {} | {state} | {}",
        requirements_cell(queue.requirements.as_ref(), MAX_CELL_CHARACTERS),
        queue.waiting,
        queue.delayed,
        queue.active,
        oldest.map_or_else(|| "-".to_owned(), time::span),
        queue.workers,
        queue.room,
        cell(&depths.join(" ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_held_back_says_so_before_anything_else() {
        let with = |change: fn(&mut QueueReport)| {
            let mut queue = QueueReport {
                waiting: 2,
                active: 1,
                starving: true,
                ..QueueReport::default()
            };
            change(&mut queue);
            table(&QueueHealthResponse {
                queues: vec![queue],
                ..QueueHealthResponse::default()
            })
            .to_string()
        };
        let paused = with(|queue| queue.paused = true);
        assert!(
            paused.contains("| paused |") && paused.contains("shim tasks resume"),
            "{paused}"
        );
        assert!(with(|queue| queue.max_active = 1).contains("| limited |"));
        assert!(with(|queue| queue.max_active = 2).contains("| starving |"));
    }

    #[test]
    fn a_queue_without_a_fitting_worker_names_the_remedy() {
        let queue = QueueReport {
            waiting: 2,
            starving: true,
            ..QueueReport::default()
        };
        let text = table(&QueueHealthResponse {
            queues: vec![queue],
            ..QueueHealthResponse::default()
        })
        .to_string();
        assert!(
            text.contains("any worker | 2 | 0 | 0 | - | 0 | 0 | starving | -")
                && text.contains("action=register"),
            "{text}"
        );
    }
}
