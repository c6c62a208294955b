//! What every handler works with.

use std::sync::Arc;

use shim_proto::checkpoint::v1::Session;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::ids::{Epoch, SessionId};

use crate::config::Config;
use crate::lease::Leases;
use crate::store::{Owner, Store};

/// The service behind the handlers. Clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) leases: Arc<Leases>,
    pub(crate) config: Arc<Config>,
    pub(crate) tasks: BackgroundTasks,
}

impl Api {
    /// A session as it is answered: with `attached`, which only the lease table knows.
    pub(super) fn with_attached(&self, session: Session) -> Session {
        let attached = session
            .id
            .parse()
            .is_ok_and(|id| self.leases.is_attached(id));
        Session {
            attached,
            ..session
        }
    }

    /// Gives the client that just opened, forked or restored a session its lease.
    pub(super) fn grant_lease(&self, session: Option<&Session>) {
        if let Some(session) = session
            && let Ok(id) = session.id.parse::<SessionId>()
        {
            let owner = Owner {
                session: id,
                epoch: Epoch(session.epoch),
            };
            self.leases
                .grant(owner, session.client.clone().unwrap_or_default());
        }
    }
}
