//! QueueHealth: the depth and age of every queue, and the living workers that serve it.

use std::time::SystemTime;

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::{
    BoundUse, PriorityDepth, QueueHealthRequest, QueueHealthResponse, QueueReport, StoreSize,
    Worker,
};
use shim_proto::limits::task::{MAX_CALLER_QUEUES, MAX_QUEUES};
use shim_store::sizes::{self, KindSize, Usage};
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
    let memory = api.store.sizes.memory().await?;
    let workers = living_workers(&api.store).await?;
    let letters = dead_letters(health.dead_letters, api.max_dead_letters);
    let measured = health.usages.into_iter().filter_map(bound_use);
    let bounds = measured.chain(letters).collect();
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
        owed_messages: health.owed,
        store_sizes: health.sizes.into_iter().map(store_size).collect(),
        store_bytes: memory.used,
        max_store_bytes: memory.max,
        queues_in_use: saturated(health.queues_in_use),
        max_queues: saturated(MAX_QUEUES as u64),
        caller_queues: saturated(health.own_queues),
        max_caller_queues: saturated(MAX_CALLER_QUEUES as u64),
        bounds,
    })
}

fn bound_use(usage: Usage) -> Option<BoundUse> {
    Some(BoundUse {
        max: sizes::limit(&usage.what)?,
        what: usage.what,
        used: usage.used,
        of: usage.of,
    })
}

fn dead_letters(used: u64, max: u64) -> Option<BoundUse> {
    (used > 0).then(|| BoundUse {
        what: "dead_letters".to_owned(),
        used,
        max,
        of: String::new(),
    })
}

fn store_size(size: KindSize) -> StoreSize {
    StoreSize {
        kind: size.kind,
        keys: size.keys,
        bytes: size.bytes,
    }
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
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
