//! A store whose every content is known, and the question whether all it serves is true.

use std::collections::BTreeMap;
use std::path::Path;

use shim_proto::checkpoint::v1::{Checkpoint, CheckpointState, GetSessionRequest, Session};
use shim_runtime::service_error::decode;
use shim_tests::rng::SeededRng;
use shim_tests::service::Service;
use shim_tests::{calls, sample_content};
use tonic::Code;

const PROJECT: &str = "/known";

/// What was saved and acknowledged.
pub(crate) struct KnownStore {
    pub(crate) sessions: Vec<KnownSession>,
}

pub(crate) struct KnownSession {
    pub(crate) session: Session,
    pub(crate) checkpoints: BTreeMap<u64, (Checkpoint, CheckpointState)>,
}

/// How much of it a service still has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) sessions: usize,
    pub(crate) checkpoints: usize,
    pub(crate) reported_damaged: usize,
}

impl KnownStore {
    /// Opens `sessions` sessions and saves `each` checkpoints in each.
    pub(crate) async fn fill(service: &Service, sessions: usize, each: usize) -> Self {
        let mut client = service.client();
        let mut rng = SeededRng::new(7);
        let mut known = Self {
            sessions: Vec::new(),
        };
        for _ in 0..sessions {
            let session = calls::open(&mut client, PROJECT).await.unwrap();
            known.sessions.push(KnownSession {
                session,
                checkpoints: BTreeMap::new(),
            });
        }
        for step in 0..each {
            for known in &mut known.sessions {
                let state = sample_content::state(&mut rng, &format!("step {step}"), 3000);
                let header = calls::save(&mut client, &known.session, state.clone())
                    .await
                    .unwrap();
                known.checkpoints.insert(header.number, (header, state));
            }
        }
        known
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Served {
        let checkpoints = self
            .sessions
            .iter()
            .map(|known| known.checkpoints.len())
            .sum();
        Served {
            sessions: self.sessions.len(),
            checkpoints,
            reported_damaged: 0,
        }
    }

    /// Asks for everything and compares all that is served with what was saved.
    ///
    /// Panics at the first thing served that is not true. Refusing (NOT_FOUND, DATA_LOSS) is no lie.
    pub(crate) async fn assert_serves_only_truth(&self, service: &Service) -> Served {
        let mut served = Served::default();
        for known in &self.sessions {
            served.sessions += usize::from(known.is_served_truly(service).await);
            let (checkpoints, damaged) = known.compare_checkpoints(service).await;
            served.checkpoints += checkpoints;
            served.reported_damaged += damaged;
        }
        served
    }
}

impl KnownSession {
    async fn is_served_truly(&self, service: &Service) -> bool {
        let request = GetSessionRequest {
            session_id: self.session.id.clone(),
        };
        match service.client().get_session(request).await {
            Ok(answer) => {
                let session = answer.into_inner().session.unwrap();
                assert_eq!(session.id, self.session.id);
                let salvaged = session.project == "(salvaged)";
                assert!(salvaged || session.project == PROJECT, "{session:?}");
                // A log cut short may have taken the session back to its beginning.
                let head = self.checkpoints.get(&session.head_number);
                let true_head =
                    head.is_some_and(|(header, _)| header.id == session.head_checkpoint_id);
                assert!(true_head || session.head_number == 0, "{session:?}");
                true
            }
            Err(status) => {
                let refused = matches!(status.code(), Code::NotFound | Code::DataLoss);
                assert!(
                    refused,
                    "a damaged session is refused plainly: {}",
                    decode(&status)
                );
                false
            }
        }
    }

    async fn compare_checkpoints(&self, service: &Service) -> (usize, usize) {
        let mut client = service.client();
        let (mut served, mut damaged) = (0, 0);
        match calls::history(&mut client, &self.session.id, 0).await {
            Ok(history) => {
                damaged += history.damaged_numbers.len();
                for header in &history.checkpoints {
                    assert_eq!(
                        Some(header),
                        self.checkpoints
                            .get(&header.number)
                            .map(|(header, _)| header)
                    );
                }
            }
            Err(status) => assert!(
                matches!(status.code(), Code::NotFound | Code::DataLoss),
                "{status}"
            ),
        }
        for (header, state) in self.checkpoints.values() {
            match calls::content(&mut client, &header.id).await {
                Ok(content) => {
                    assert_eq!(&content, state, "checkpoint {}", header.number);
                    served += 1;
                }
                Err(status) => assert!(
                    matches!(status.code(), Code::NotFound | Code::DataLoss),
                    "{status}"
                ),
            }
        }
        (served, damaged)
    }
}

/// Copies the files of a stopped service's data folder.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
