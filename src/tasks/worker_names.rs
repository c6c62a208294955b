//! The names of the present and former workers of a job.

use std::collections::HashMap;

use shim_proto::coordination::v1::GetWorkerRequest;
use shim_render::text::short_id;

use crate::connection::{Coordination, call, request};

/// Names of workers by their ids; each is read once.
#[derive(Debug, Default)]
pub(super) struct WorkerNames(HashMap<String, String>);

impl WorkerNames {
    /// The names read so far.
    pub(super) fn names(&self) -> &HashMap<String, String> {
        &self.0
    }

    /// Reads the names that are missing. A worker that the registry forgot is named by the end of its id.
    pub(super) async fn fetch(&mut self, service: &mut Coordination, ids: Vec<String>) {
        for worker_id in ids {
            if worker_id.is_empty() || self.0.contains_key(&worker_id) {
                continue;
            }
            let asked = GetWorkerRequest {
                worker_id: worker_id.clone(),
            };
            let found = call(service.registry.get_worker(request(asked))).await.ok();
            let name = found
                .and_then(|found| found.worker)
                .map(|worker| worker.name)
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| short_id(&worker_id).to_owned());
            self.0.insert(worker_id, name);
        }
    }
}
