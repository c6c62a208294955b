//! Which traces are recorded of those that begin in this process: a share, up to a number in each second.
//!
//! A service that answers thousands of calls a second fills any queue, and a full queue loses spans out of the middle of
//! traces. So whole traces are left out before, which also bounds the cost of tracing. The `sampled` flag of a caller
//! decides for the calls below it, whatever the pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

/// How many traces may be recorded at once after a quiet time, as time of the rate.
const BURST: Duration = Duration::from_secs(1);

/// The sampler of traces that begin without a caller's decision.
#[derive(Debug, Clone)]
pub(super) struct RootSampler {
    ratio: Sampler,
    /// `None` passes all.
    limiter: Option<Arc<GcraLimiter>>,
}

impl RootSampler {
    /// At most `per_second` traces; 0 for no limit.
    pub(super) fn new(ratio: f64, per_second: u32) -> Self {
        Self {
            ratio: Sampler::TraceIdRatioBased(ratio),
            limiter: (per_second > 0).then(|| Arc::new(GcraLimiter::new(per_second))),
        }
    }
}

impl ShouldSample for RootSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let ratio = &self.ratio;
        let mut sampled = ratio.should_sample(parent, trace, name, kind, attributes, links);
        let is_too_fast = || {
            self.limiter
                .as_ref()
                .is_some_and(|limiter| !limiter.try_pass())
        };
        if sampled.decision == SamplingDecision::RecordAndSample && is_too_fast() {
            sampled.decision = SamplingDecision::Drop;
        }
        sampled
    }
}

/// The generic cell rate algorithm in its form of virtual scheduling (ITU-T I.371), without a lock.
#[derive(Debug)]
struct GcraLimiter {
    started: Instant,
    interval_ns: u64,
    /// When the next trace is due, since the start.
    due_ns: AtomicU64,
}

impl GcraLimiter {
    fn new(per_second: u32) -> Self {
        Self {
            started: Instant::now(),
            interval_ns: 1_000_000_000 / u64::from(per_second),
            due_ns: AtomicU64::new(0),
        }
    }

    fn try_pass(&self) -> bool {
        self.try_pass_at(self.started.elapsed())
    }

    fn try_pass_at(&self, since_start: Duration) -> bool {
        let now = nanos(since_start);
        let next = |due: u64| {
            let is_in_time = due.saturating_sub(now) < nanos(BURST);
            is_in_time.then(|| due.max(now) + self.interval_ns)
        };
        let order = Ordering::Relaxed;
        self.due_ns.fetch_update(order, order, next).is_ok()
    }
}

/// Saturates after 584 years.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_recorded(sampler: &RootSampler, times: usize) -> usize {
        let recorded = |number: &usize| {
            let trace = TraceId::from(*number as u128 + 1);
            let sampled = sampler.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
            sampled.decision == SamplingDecision::RecordAndSample
        };
        (0..times).filter(recorded).count()
    }

    #[test]
    fn a_second_s_worth_passes_at_once_and_then_the_rate() {
        let limiter = GcraLimiter::new(1_000);
        let passed = |at_ms: u64, asked: usize| {
            let at = Duration::from_millis(at_ms);
            (0..asked).filter(|_| limiter.try_pass_at(at)).count()
        };
        assert_eq!(passed(0, 5_000), 1_000);
        assert_eq!(passed(0, 1), 0);
        assert_eq!(passed(10, 5_000), 10);
        // Quiet time adds up to the burst and no further.
        assert_eq!(passed(60_000, 5_000), 1_000);
    }

    #[test]
    fn the_ratio_is_applied_first_and_zero_means_no_limit() {
        assert_eq!(count_recorded(&RootSampler::new(0.0, 1), 100), 0);
        assert_eq!(count_recorded(&RootSampler::new(1.0, 0), 5_000), 5_000);
        // The machine may pause in between, which adds to the rate.
        assert!(count_recorded(&RootSampler::new(1.0, 1), 5_000) < 5_000);
    }
}
