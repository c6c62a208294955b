//! The ground of a service with an embedded store: one writer thread with group commit, readers beside it, an
//! idempotency ledger, a clock, opening with integrity check and migrations, and online backup.
//!
//! The crate knows no table but the ledger's. A service brings its [`Schema`] and runs its SQL as jobs of a [`Database`].
//! The README states the invariants.

pub mod backup;
mod clock;
mod committer;
mod connection;
mod database;
mod deferred;
mod error;
mod extent;
mod files;
mod guard;
mod health;
pub mod idempotency;
mod inspect;
mod leaves;
mod lock;
mod open;
mod readers;
mod rescue;
mod reserve;
mod restore;
mod savepoint;
mod schema;
mod set_aside;
mod stamp;
mod time;
mod writer;

pub use backup::{BackupError, backup};
pub use database::Database;
pub use deferred::after_commit;
pub use error::{JobError, OpenError, SqliteError};
pub use idempotency::IdempotencyKey;
pub use inspect::{Integrity, check_integrity, inspect, was_opened};
pub use leaves::Leaves;
pub use restore::{Incoming, RestoreError};
pub use savepoint::in_savepoint;
pub use schema::Schema;
pub use set_aside::{newest_rescued, set_aside};
pub use time::{UnixMicros, to_unix_micros};
