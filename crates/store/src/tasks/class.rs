//! Classes of tasks: tasks with the same requirements share a queue, which the workers that fit look into.

use prost::Message;
use shim_proto::coordination::v1::{Requirements, WorkerKind};

/// The tasks with the same requirements, which share a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The queue's name: `work`, or `work.<executor>.<hash of the capabilities>`.
    pub name: String,
    /// What a worker needs.
    pub requirements: Requirements,
}

impl Class {
    /// The class of tasks with these requirements.
    pub fn of(requirements: Option<&Requirements>) -> Self {
        let mut requirements = requirements.cloned().unwrap_or_default();
        requirements.capabilities.sort();
        requirements.capabilities.dedup();
        let executor = executor(WorkerKind::try_from(requirements.executor).unwrap_or_default());
        let name = match (executor, requirements.capabilities.as_slice()) {
            ("any", []) => "work".to_owned(),
            (executor, []) => format!("work.{executor}"),
            (executor, capabilities) => {
                let hash = blake3::hash(capabilities.join("\0").as_bytes()).to_hex();
                format!("work.{executor}.{}", &hash[..8])
            }
        };
        Self { name, requirements }
    }

    pub(super) fn stored(&self) -> Vec<u8> {
        self.requirements.encode_to_vec()
    }

    pub(super) fn read(name: String, stored: &[u8]) -> Option<Self> {
        Some(Self {
            name,
            requirements: Requirements::decode(stored).ok()?,
        })
    }
}

/// The name of a kind of workers, in queues and metrics.
#[must_use]
pub fn executor(kind: WorkerKind) -> &'static str {
    match kind {
        WorkerKind::Unspecified => "any",
        WorkerKind::Chat => "chat",
        WorkerKind::Agent => "agent",
        WorkerKind::Command => "command",
        WorkerKind::Analysis => "analysis",
    }
}

/// Whether a worker of a kind with sorted capabilities may run tasks with these requirements. A program that does one
/// thing takes only what asks for it: by its executor, or by a capability it has.
#[must_use]
pub fn fits(requirements: &Requirements, kind: WorkerKind, capabilities: &[String]) -> bool {
    let executor = WorkerKind::try_from(requirements.executor).unwrap_or_default();
    let is_program = matches!(kind, WorkerKind::Command | WorkerKind::Analysis);
    let asks_for_anyone = executor == WorkerKind::Unspecified
        && !(is_program && requirements.capabilities.is_empty());
    (asks_for_anyone || executor == kind)
        && requirements
            .capabilities
            .iter()
            .all(|needed| capabilities.iter().any(|has| has == needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(executor: WorkerKind, capabilities: &[&str]) -> Requirements {
        Requirements {
            executor: executor.into(),
            capabilities: capabilities.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    #[test]
    fn tasks_with_the_same_requirements_share_a_queue() {
        let name = |needs: &Requirements| Class::of(Some(needs)).name;
        assert_eq!(Class::of(None).name, "work");
        assert_eq!(name(&needs(WorkerKind::Agent, &[])), "work.agent");
        let (ab, ba) = (["rust", "sql"], ["sql", "rust"]);
        let any = WorkerKind::Unspecified;
        assert_eq!(name(&needs(any, &ab)), name(&needs(any, &ba)));
        assert_ne!(name(&needs(any, &ab)), name(&needs(any, &["rust"])));
        assert!(name(&needs(any, &ab)).starts_with("work.any."));
    }

    #[test]
    fn a_worker_fits_with_its_kind_and_every_capability() {
        let rust = ["rust".to_owned(), "sql".to_owned()];
        let chat = WorkerKind::Chat;
        assert!(fits(&Requirements::default(), chat, &[]));
        assert!(fits(&needs(chat, &["sql"]), chat, &rust));
        assert!(!fits(&needs(WorkerKind::Agent, &[]), chat, &rust));
        assert!(!fits(&needs(chat, &["sql", "go"]), chat, &rust));
    }

    #[test]
    fn a_program_takes_only_what_asks_for_it() {
        let make = WorkerKind::Command;
        assert!(!fits(&Requirements::default(), make, &["make".to_owned()]));
        assert!(fits(&needs(make, &[]), make, &[]));
        let any = WorkerKind::Unspecified;
        assert!(fits(&needs(any, &["make"]), make, &["make".to_owned()]));
    }
}
