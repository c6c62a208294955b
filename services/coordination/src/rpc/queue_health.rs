//! QueueHealth: the depth and age of every queue, and the living workers that serve it.

use std::time::SystemTime;

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::{
    PriorityDepth, QueueHealthRequest, QueueHealthResponse, QueueReport, Worker,
};
use shim_store::tasks::{Depth, QueueCounts, fits};
use tonic::Status;

use super::api::Api;
use crate::domain::queues::QueueCapacity;
use crate::living_workers::living_workers;

pub(super) async fn handle(
    api: &Api,
    _: QueueHealthRequest,
) -> Result<QueueHealthResponse, Status> {
    let health = api.store.tasks.health().await?;
    let workers = living_workers(&api.store).await?;
    let queues = health.queues.into_iter();
    Ok(QueueHealthResponse {
        queues: queues.map(|queue| report(queue, &workers)).collect(),
        completed_last_minute: health.completed_last_minute,
        failed_last_minute: health.failed_last_minute,
        dead_letters: health.dead_letters,
        awaiting_approval: health.awaiting_approval,
        outbox: health.outbox,
        dead_letters_forgotten: health.buried,
        dead_letter_forgotten_at: health.buried_at_ms.map(shim_store::timestamp),
    })
}

fn report(queue: QueueCounts, workers: &[Worker]) -> QueueReport {
    let required = &queue.class.requirements;
    let fitting = workers
        .iter()
        .filter(|worker| fits(required, worker.kind(), &worker.capabilities));
    let capacity = QueueCapacity::of(queue.waiting, fitting, SystemTime::now().into());
    let depth = |depth: Depth| PriorityDepth {
        priority: depth.priority,
        depth: depth.tasks,
    };
    QueueReport {
        waiting: queue.waiting,
        delayed: queue.delayed,
        active: queue.active,
        oldest_age: ProtoDuration::try_from(queue.oldest_age())
            .ok()
            .filter(|_| queue.waiting > 0),
        depths: queue.depths.into_iter().map(depth).collect(),
        workers: capacity.workers,
        room: capacity.room,
        starving: capacity.starving,
        saturated: capacity.saturated,
        paused: queue.is_paused,
        rate_limited_for: ProtoDuration::try_from(queue.limited_for)
            .ok()
            .filter(|_| !queue.limited_for.is_zero()),
        max_active: queue.max_active,
        unfit: capacity.unfit,
        unfit_why: capacity.unfit_why,
        fit_at: capacity.fit_at,
        name: queue.class.name,
        requirements: Some(queue.class.requirements),
    }
}
