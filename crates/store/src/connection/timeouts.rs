//! How long the parts of a call to Redis may take.

use std::time::Duration;

/// A command is given up after this time, so that its caller learns of a dead Redis within a second.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(800);
/// An operation of several commands is given up after this time.
pub(super) const OPERATION_WITHIN: Duration = Duration::from_millis(950);
/// The attempt to connect is given up after this time.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_millis(800);
/// A check-out from a pool is given up after this time: it connects, and then pings.
pub(super) const CHECK_OUT_WITHIN: Duration = CONNECT_WITHIN.saturating_mul(2);
/// A call of a process that has just started waits until this time after the start for its first connection.
pub(super) const FIRST_CONNECTION_WITHIN: Duration = Duration::from_millis(500);
/// The time between two pings of a connection. A command that fails or is given up asks for one at once.
pub(super) const PING_EVERY: Duration = Duration::from_millis(500);
/// The same over a local socket: the system tells the end of its server to the subscriptions, which then ask for a ping. Only
/// a server that hangs while nobody asks it anything is noticed by the clock.
pub(super) const LOCAL_PING_EVERY: Duration = Duration::from_secs(5);
