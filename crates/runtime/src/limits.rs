//! How much one caller may ask for: a token bucket of calls and one of bytes for each.
//!
//! Callers of this machine are counted only if a limit is configured; callers of other machines always are. The table of
//! callers is bounded: when it is full of busy callers, all newcomers share one bucket.

mod buckets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use self::buckets::{CallerBuckets, Rate};
use crate::auth::{Caller, Identity};
use crate::service_error::ServiceError;
use crate::settings::Settings;
use crate::sync;

/// A program that calls faster than this from another machine is in a loop.
const REMOTE_CALLS_PER_SECOND: u32 = 1_000;
const MAX_RATE: u32 = 10_000_000;
const DEFAULT_CONNECTIONS: usize = 8_192;
/// Some 80 KB each.
const DEFAULT_MCP_SESSIONS: usize = 512;
const DEFAULT_MCP_SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
const MAX_CALLERS: usize = 4_096;
/// A sweep looks at every caller of a full table.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The keys `limits.*`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls of one caller (`limits.calls_per_second`); unset, only callers of other machines are limited; 0 limits none.
    pub calls_per_second: Option<u32>,
    /// How many calls may come at once (`limits.burst`); unset, those of one second.
    pub burst: Option<u32>,
    /// Bytes of requests of one caller (`limits.bytes_per_second`); 0 limits none.
    pub bytes_per_second: u32,
    /// Open TCP connections (`limits.connections`).
    pub connections: usize,
    /// MCP sessions over HTTP (`limits.mcp_sessions`); one caller may have a quarter of them.
    pub mcp_sessions: usize,
    /// After so long without a request an MCP session over HTTP ends (`limits.mcp_session_idle`).
    pub mcp_session_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_per_second: None,
            burst: None,
            bytes_per_second: 0,
            connections: DEFAULT_CONNECTIONS,
            mcp_sessions: DEFAULT_MCP_SESSIONS,
            mcp_session_idle: DEFAULT_MCP_SESSION_IDLE,
        }
    }
}

impl Limits {
    /// Reads the keys.
    pub(crate) fn read(settings: &mut Settings) -> Self {
        let rate = |settings: &mut Settings, key: &str| {
            settings
                .is_set(key)
                .then(|| settings.get_within(key, 0, 0..=MAX_RATE))
        };
        Self {
            calls_per_second: rate(settings, "limits.calls_per_second"),
            burst: settings
                .is_set("limits.burst")
                .then(|| settings.get_within("limits.burst", 1, 1..=MAX_RATE)),
            bytes_per_second: settings.get_or("limits.bytes_per_second", 0),
            connections: settings.get_within(
                "limits.connections",
                DEFAULT_CONNECTIONS,
                1..=1_000_000,
            ),
            mcp_sessions: settings.get_within(
                "limits.mcp_sessions",
                DEFAULT_MCP_SESSIONS,
                4..=100_000,
            ),
            mcp_session_idle: settings.get_within(
                "limits.mcp_session_idle",
                DEFAULT_MCP_SESSION_IDLE,
                Duration::from_secs(1)..=Duration::from_secs(24 * 3_600),
            ),
        }
    }

    fn calls_of(&self, caller: &Caller) -> Option<Rate> {
        let per_second = match self.calls_per_second {
            Some(configured) => configured,
            None if caller.is_local => 0,
            None => REMOTE_CALLS_PER_SECOND,
        };
        Rate::of(per_second, self.burst.unwrap_or(per_second))
    }

    fn bytes(&self) -> Option<Rate> {
        Rate::of(self.bytes_per_second, self.bytes_per_second)
    }
}

/// One caller; `None` is shared by all that found the table full.
type CallerKey = Option<Identity>;

#[derive(Debug)]
struct CallerTable {
    callers: HashMap<CallerKey, CallerBuckets>,
    swept: Option<Instant>,
}

/// Counts the calls and bytes of callers. Clones share one table.
#[derive(Debug, Clone)]
pub struct Limiter {
    limits: Arc<Limits>,
    table: Arc<Mutex<CallerTable>>,
}

/// Counts the bytes of one call to its caller.
#[derive(Debug)]
pub struct ByteMeter {
    limiter: Limiter,
    key: CallerKey,
}

impl Limiter {
    /// A limiter that knows no caller yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Arc::new(limits),
            table: Arc::new(Mutex::new(CallerTable {
                callers: HashMap::new(),
                swept: None,
            })),
        }
    }

    /// Counts a call; the meter counts its bytes and is `None` if bytes are not limited.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (TOO_FAST) with the delay after which the caller may call again.
    pub fn admit(&self, caller: &Caller, now: Instant) -> Result<Option<ByteMeter>, ServiceError> {
        let (calls, bytes) = (self.limits.calls_of(caller), self.limits.bytes());
        if calls.is_none() && bytes.is_none() {
            return Ok(None);
        }
        let fresh = CallerBuckets::open(calls, bytes, now);
        let mut table = sync::lock(&self.table);
        let key = table.key_of(caller, now);
        let buckets = table.callers.entry(key.clone()).or_insert(fresh);
        buckets.fill(now);
        buckets.take_call()?;
        Ok(bytes.map(|_| ByteMeter {
            limiter: self.clone(),
            key,
        }))
    }
}

impl ByteMeter {
    /// Counts bytes that came in.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (TOO_FAST) if they are far more than the caller may send.
    pub fn take(&self, bytes: usize, now: Instant) -> Result<(), ServiceError> {
        let mut table = sync::lock(&self.limiter.table);
        let Some(buckets) = table.callers.get_mut(&self.key) else {
            return Ok(());
        };
        buckets.fill(now);
        buckets.take_bytes(bytes)
    }
}

impl CallerTable {
    fn key_of(&mut self, caller: &Caller, now: Instant) -> CallerKey {
        let key = Some(caller.identity.clone());
        if self.callers.len() < MAX_CALLERS || self.callers.contains_key(&key) {
            return key;
        }
        let is_due = self
            .swept
            .is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY);
        if is_due {
            self.swept = Some(now);
            self.callers.retain(|_, buckets| {
                buckets.fill(now);
                !buckets.is_full()
            });
        }
        if self.callers.len() < MAX_CALLERS {
            key
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{IpAddr, Ipv4Addr};

    use shim_proto::limits::MAX_MESSAGE_BYTES;
    use tonic::Code;

    use super::*;
    use crate::auth::Peer;

    fn caller(address: u32) -> Caller {
        let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + address));
        Caller::anonymous(Peer::Address(Some(address)))
    }

    fn limiter(calls: u32, bytes: u32) -> Limiter {
        Limiter::new(Limits {
            calls_per_second: Some(calls),
            burst: None,
            bytes_per_second: bytes,
            ..Limits::default()
        })
    }

    #[test]
    fn a_caller_over_its_rate_gets_a_retry_delay_and_no_other_does() {
        let limiter = limiter(10, 0);
        let now = Instant::now();
        for _ in 0..10 {
            limiter.admit(&caller(1), now).unwrap();
        }
        let refused = limiter.admit(&caller(1), now).unwrap_err();
        assert_eq!(
            (refused.code, refused.reason),
            (Code::ResourceExhausted, "TOO_FAST")
        );
        let wait = refused.retry_after.unwrap();
        assert_eq!(wait, Duration::from_millis(100));
        limiter.admit(&caller(2), now).unwrap();
        limiter.admit(&caller(1), now + wait).unwrap();
        assert!(limiter.admit(&caller(1), now + wait).is_err());
    }

    #[test]
    fn only_callers_from_elsewhere_are_limited_unless_it_is_configured() {
        let limits = Limits::default();
        assert!(limits.calls_of(&caller(1)).is_some());
        let local = Caller::anonymous(Peer::User(Some(1)));
        assert!(limits.calls_of(&local).is_none());
        let configured = Limits {
            calls_per_second: Some(5),
            ..limits.clone()
        };
        assert!(configured.calls_of(&local).is_some());
        let off = Limits {
            calls_per_second: Some(0),
            ..limits
        };
        assert!(off.calls_of(&caller(1)).is_none());
    }

    #[test]
    fn bytes_delay_the_next_call_and_end_only_a_stream_without_end() {
        let limiter = limiter(0, 1_000);
        let now = Instant::now();
        let meter = limiter.admit(&caller(1), now).unwrap().unwrap();
        meter.take(3_000, now).unwrap();
        let refused = limiter.admit(&caller(1), now).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(2)));
        assert!(
            limiter
                .admit(&caller(1), now + Duration::from_secs(2))
                .is_ok()
        );
        assert!(meter.take(MAX_MESSAGE_BYTES + 1_001, now).is_err());
    }

    #[test]
    fn a_table_full_of_busy_callers_evicts_none_and_grows_no_further() {
        let limiter = limiter(1, 0);
        let now = Instant::now();
        let count = u32::try_from(MAX_CALLERS).unwrap();
        for address in 0..count {
            limiter.admit(&caller(address), now).unwrap();
        }
        // The first newcomer takes the one call they share.
        limiter.admit(&caller(count), now).unwrap();
        assert!(limiter.admit(&caller(count + 1), now).is_err());
        assert!(limiter.admit(&caller(0), now).is_err());
        let entries = || limiter.table.lock().unwrap().callers.len();
        assert_eq!(entries(), MAX_CALLERS + 1);
        // Once they have been quiet, they are forgotten.
        limiter
            .admit(&caller(count + 2), now + Duration::from_secs(2))
            .unwrap();
        assert_eq!(entries(), 1);
    }
}
