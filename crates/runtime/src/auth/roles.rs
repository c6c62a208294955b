//! Roles, and which one each method of the contract asks for.
//!
//! A method in no list asks for the strongest role, so that a new method is closed until it is put into one; a test names
//! the methods that are in none.

use std::fmt;
use std::str::FromStr;

use crate::settings::{Setting, from_str};

/// What a caller may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything, change nothing.
    Read,
    /// Work: sessions, checkpoints, tasks, state, locks and messages.
    Write,
    /// Take away and bring in history, and start and stop workers.
    Admin,
}

impl Role {
    /// Its name in token files and in refusals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Read, Self::Write, Self::Admin]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(())
    }
}

impl Setting for Role {
    fn parse(text: &str) -> Result<Self, String> {
        from_str(text, "read, write or admin")
    }
}

/// The methods of one service by the role they ask for.
struct ServiceRoles {
    name: &'static str,
    methods: &'static [(Role, &'static [&'static str])],
}

/// The role that calling `path`, as in `/shim.checkpoint.v1.CheckpointService/GetSession`, asks for.
#[must_use]
pub fn needed(path: &str) -> Role {
    let service_and_method = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let Some((service, method)) = service_and_method else {
        return Role::Admin;
    };
    SERVICES
        .iter()
        .filter(|known| known.name == service)
        .flat_map(|known| known.methods)
        .find(|(_, methods)| methods.contains(&method))
        .map_or(Role::Admin, |(role, _)| *role)
}

const SERVICES: &[ServiceRoles] = &[
    ServiceRoles {
        name: "shim.checkpoint.v1.CheckpointService",
        methods: &[
            (
                Role::Read,
                &[
                    "GetSession",
                    "ListSessions",
                    "GetCheckpoint",
                    "ListCheckpoints",
                    "DiffCheckpoints",
                    "SearchCheckpoints",
                    "DetectRecovery",
                ],
            ),
            (
                Role::Write,
                &[
                    "OpenSession",
                    "AttachSession",
                    "EndSession",
                    "SaveCheckpoint",
                    "ForkSession",
                    "RestoreCheckpoint",
                    "DismissRecovery",
                    "RecordResume",
                ],
            ),
            // An export is a copy that no later deletion reaches; an import brings a history that was not made here.
            (Role::Admin, &["DeleteSession", "Prune", "Export", "Import"]),
        ],
    },
    ServiceRoles {
        name: "shim.checkpoint.v1.SignalService",
        methods: &[
            (Role::Read, &["AssessRisk", "ListSignalHistory"]),
            (Role::Write, &["RecordSignals"]),
        ],
    },
    ServiceRoles {
        name: "shim.checkpoint.v1.ObservationService",
        methods: &[
            (Role::Read, &["GetObservation"]),
            // Asking for guidance keeps the event that it is asked at.
            (Role::Write, &["ReportEvents", "GetGuidance"]),
        ],
    },
    ServiceRoles {
        name: "shim.coordination.v1.TaskService",
        methods: &[
            (
                Role::Read,
                &[
                    "GetTask",
                    "ListTasks",
                    "WatchTask",
                    "AggregateResults",
                    "QueueHealth",
                ],
            ),
            (
                Role::Write,
                &["SubmitTask", "CancelTask", "RetryTask", "ApproveTask"],
            ),
            // They stop and start the work of everybody.
            (Role::Admin, &["PauseQueues", "ResumeQueues", "PruneTasks"]),
        ],
    },
    ServiceRoles {
        name: "shim.coordination.v1.StateService",
        methods: &[
            (Role::Read, &["GetState", "ListState", "WatchState"]),
            (Role::Write, &["PutState", "PatchState", "DeleteState"]),
        ],
    },
    ServiceRoles {
        name: "shim.coordination.v1.LockService",
        methods: &[
            (Role::Read, &["GetLock", "ListLocks", "ListFiles"]),
            (
                Role::Write,
                &[
                    "AcquireLock",
                    "RenewLock",
                    "ReleaseLock",
                    "AcquireFiles",
                    "RenewFiles",
                    "ReleaseFiles",
                ],
            ),
        ],
    },
    ServiceRoles {
        name: "shim.coordination.v1.BusService",
        methods: &[
            (Role::Read, &["Subscribe"]),
            // Receiving takes a message from its inbox for a while.
            (
                Role::Write,
                &["Publish", "SendMessage", "ReceiveMessages", "AckMessages"],
            ),
        ],
    },
    ServiceRoles {
        name: "shim.coordination.v1.RegistryService",
        methods: &[
            (Role::Read, &["GetWorker", "ListWorkers", "WatchWorkers"]),
            (
                Role::Write,
                &["RegisterWorker", "Heartbeat", "DeregisterWorker"],
            ),
        ],
    },
    ServiceRoles {
        name: "shim.worker.v1.WorkerService",
        methods: &[
            (Role::Read, &["GetWorkerHealth"]),
            (
                Role::Write,
                &[
                    "ClaimTask",
                    "ReportProgress",
                    "CompleteTask",
                    "FailTask",
                    "ReleaseTask",
                ],
            ),
            (Role::Admin, &["StartWorker", "DrainWorker", "StopWorker"]),
        ],
    },
    ServiceRoles {
        name: "shim.evolution.v1.EvolutionService",
        methods: &[
            (
                Role::Read,
                &[
                    "GetEvolution",
                    "ListEvolutions",
                    "ListPatterns",
                    "ListTransforms",
                ],
            ),
            // An analysis runs programs, and the configuration of a trusted project.
            (
                Role::Write,
                &[
                    "AnalyzeWorkflow",
                    "EvolveCode",
                    "ApproveEvolution",
                    "RevertEvolution",
                    "GenerateTests",
                ],
            ),
            // It decides whose code runs with the rights of the service.
            (Role::Admin, &["TrustProject"]),
        ],
    },
    ServiceRoles {
        name: "grpc.reflection.v1.ServerReflection",
        methods: &[(Role::Read, &["ServerReflectionInfo"])],
    },
    ServiceRoles {
        name: "grpc.reflection.v1alpha.ServerReflection",
        methods: &[(Role::Read, &["ServerReflectionInfo"])],
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    fn contract() -> BTreeSet<String> {
        let set = FileDescriptorSet::decode(shim_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut methods = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    methods.insert(format!(
                        "{}.{}/{}",
                        file.package(),
                        service.name(),
                        method.name()
                    ));
                }
            }
        }
        methods
    }

    #[test]
    fn every_method_of_the_contract_has_one_role_and_no_other_method_has_any() {
        let mut listed = BTreeSet::new();
        for service in SERVICES.iter().filter(|s| s.name.starts_with("shim.")) {
            for method in service.methods.iter().flat_map(|(_, methods)| *methods) {
                let is_new = listed.insert(format!("{}/{method}", service.name));
                assert!(is_new, "{}/{method} stands in two lists", service.name);
            }
        }
        assert_eq!(listed, contract());
    }

    #[test]
    fn what_stands_in_no_list_asks_for_the_strongest_role() {
        for (path, role) in [
            (
                "/shim.checkpoint.v1.CheckpointService/GetSession",
                Role::Read,
            ),
            (
                "/shim.checkpoint.v1.CheckpointService/SaveCheckpoint",
                Role::Write,
            ),
            ("/shim.checkpoint.v1.CheckpointService/Prune", Role::Admin),
            ("/shim.checkpoint.v1.CheckpointService/Unheard", Role::Admin),
            ("/shim.unheard.v1.Service/GetSession", Role::Admin),
            ("/", Role::Admin),
            ("", Role::Admin),
        ] {
            assert_eq!(needed(path), role, "{path}");
        }
        assert!(Role::Read < Role::Write && Role::Write < Role::Admin);
    }
}
