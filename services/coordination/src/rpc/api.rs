//! The state that every handler uses.

use shim_runtime::background::BackgroundTasks;
use shim_runtime::server::current_caller;
use shim_store::config::RegistryConfig;
use shim_store::places::{AdmittedPlace, PlaceKind};
use shim_store::tasks::LineageLimits;
use shim_store::{Error, Store};

use crate::attention::Attention;

/// The service behind its RPCs. Clones share one service.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    /// Woken by every call that begins work.
    pub(crate) attention: Attention,
    /// Owns the background tasks, those behind open streams among them.
    pub(crate) background: BackgroundTasks,
    /// The heartbeat interval that workers receive, and the silence after which a worker is dead.
    pub(crate) registry_config: RegistryConfig,
    /// How deep and how many jobs that jobs submit may be.
    pub(crate) lineage: LineageLimits,
    /// How many dead letters are kept.
    pub(crate) max_dead_letters: u64,
    /// Whether this process starts a worker for analyses when a task for one waits.
    pub(crate) starts_analysis: bool,
}

impl Api {
    /// Lets the caller write to a namespace; [`AdmittedPlace::note`] follows the write.
    ///
    /// # Errors
    /// `TooManyPlaces`, or as the store fails.
    pub(super) async fn namespace(&self, name: &str) -> Result<AdmittedPlace, Error> {
        let places = &self.store.places;
        places
            .admit(PlaceKind::Namespace, name, &current_caller())
            .await
    }
}
