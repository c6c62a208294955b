//! A session as it begins.

use shim_proto::checkpoint::v1::{ClientInfo, Session, SessionStatus};
use shim_runtime::ids::{Epoch, SessionId};
use shim_sqlite::UnixMicros;

const FIRST_EPOCH: Epoch = Epoch(1);

/// An active session of an owner at the first epoch.
pub(super) fn new_session(
    project: String,
    title: String,
    client: Option<ClientInfo>,
    now: UnixMicros,
) -> Session {
    Session {
        id: SessionId::new().into(),
        project,
        title,
        status: SessionStatus::Active.into(),
        epoch: FIRST_EPOCH.0,
        client,
        opened_at: Some(now.into()),
        updated_at: Some(now.into()),
        ..Default::default()
    }
}
