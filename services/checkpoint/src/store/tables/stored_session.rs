//! A session as it stands in its row.

use shim_proto::checkpoint::v1::Session;

use crate::domain::recovery::is_recoverable;

/// A session with its row.
#[derive(Debug, Clone)]
pub(crate) struct StoredSession {
    pub(crate) row_id: i64,
    pub(crate) session: Session,
    /// What its columns that indexes are made of hold.
    pub(super) indexed: Indexed,
}

/// The columns of indexes that a change may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) status: i32,
    pub(super) is_recoverable: bool,
}

impl Indexed {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            status: session.status,
            is_recoverable: is_recoverable(session),
        }
    }
}
