//! Token buckets: what one caller may still take of calls and bytes.

use std::time::{Duration, Instant};

use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::reasons;
use tonic::Code;

use crate::service_error::ServiceError;

/// A debt of bytes beyond the largest message ends the call that makes it; smaller ones only delay the next.
const MAX_DEBT_BYTES: f64 = MAX_MESSAGE_BYTES as f64;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// `None` for 0, which limits nothing.
    pub(super) fn of(per_second: u32, burst: u32) -> Option<Self> {
        (per_second > 0).then(|| Self {
            per_second: f64::from(per_second),
            burst: f64::from(burst),
        })
    }
}

/// What a caller may still take.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: f64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self {
            level: rate.burst,
            filled: now,
        }
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + passed * rate.per_second).min(rate.burst);
        self.filled = now;
    }

    /// How long until the bucket holds `wanted`.
    fn wait_for(&self, wanted: f64, rate: Rate) -> Option<Duration> {
        let missing = wanted - self.level;
        (missing > 0.0).then(|| Duration::from_secs_f64(missing / rate.per_second))
    }
}

/// The buckets of one caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallerBuckets {
    calls: Option<(Rate, Bucket)>,
    bytes: Option<(Rate, Bucket)>,
}

impl CallerBuckets {
    /// Full buckets, for a caller that was not known.
    pub(super) fn open(calls: Option<Rate>, bytes: Option<Rate>, now: Instant) -> Self {
        let with_bucket = |rate| (rate, Bucket::full(rate, now));
        Self {
            calls: calls.map(with_bucket),
            bytes: bytes.map(with_bucket),
        }
    }

    /// Lets both fill until now.
    pub(super) fn fill(&mut self, now: Instant) {
        for (rate, bucket) in self.calls.iter_mut().chain(&mut self.bytes) {
            bucket.fill(*rate, now);
        }
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn is_full(&self) -> bool {
        let mut buckets = self.calls.iter().chain(&self.bytes);
        buckets.all(|(rate, bucket)| bucket.level >= rate.burst)
    }

    /// Takes one call out; refused while a bucket is empty.
    pub(super) fn take_call(&mut self) -> Result<(), ServiceError> {
        if let Some((rate, bucket)) = &mut self.calls {
            if let Some(wait) = bucket.wait_for(1.0, *rate) {
                return Err(too_fast("calls", wait));
            }
            bucket.level -= 1.0;
        }
        if let Some((rate, bucket)) = &self.bytes
            && let Some(wait) = bucket.wait_for(0.0, *rate)
        {
            return Err(too_fast("bytes", wait));
        }
        Ok(())
    }

    /// Takes bytes out, into a debt that the next call waits for; refused if the debt is too large.
    pub(super) fn take_bytes(&mut self, bytes: usize) -> Result<(), ServiceError> {
        let Some((rate, bucket)) = &mut self.bytes else {
            return Ok(());
        };
        bucket.level -= bytes as f64;
        match bucket.wait_for(-MAX_DEBT_BYTES, *rate) {
            Some(_) => Err(too_fast(
                "bytes",
                bucket.wait_for(0.0, *rate).unwrap_or_default(),
            )),
            None => Ok(()),
        }
    }
}

fn too_fast(what: &str, wait: Duration) -> ServiceError {
    ServiceError {
        code: Code::ResourceExhausted,
        reason: reasons::TOO_FAST,
        message: format!("the caller sends more {what} a second than it may"),
        remedy: Some("try again after the delay given".into()),
        // Clients wait whole milliseconds.
        retry_after: Some(wait.max(Duration::from_millis(1))),
    }
}
