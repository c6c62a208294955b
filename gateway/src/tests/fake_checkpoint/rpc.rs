//! The calls of the contract, as far as the gateway makes them.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::attach_session_response::Event;
use shim_proto::checkpoint::v1::checkpoint_service_server::CheckpointService;
use shim_proto::checkpoint::v1::signal_service_server::SignalService;
use shim_proto::checkpoint::v1::*;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};
use uuid::Uuid;

use super::store::{Store, fault};

#[derive(Clone)]
pub(super) struct CheckpointRpc {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) changes: watch::Sender<u64>,
}

impl CheckpointRpc {
    fn with<A>(&self, act: impl FnOnce(&mut Store) -> A) -> A {
        let answer = act(&mut self.store.lock().unwrap());
        self.changes.send_modify(|change| *change += 1);
        answer
    }
}

type RpcResult<A> = Result<Response<A>, Status>;

#[tonic::async_trait]
impl CheckpointService for CheckpointRpc {
    type AttachSessionStream = ReceiverStream<Result<AttachSessionResponse, Status>>;
    type ExportStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<ExportResponse, Status>> + Send>>;

    async fn open_session(
        &self,
        request: Request<OpenSessionRequest>,
    ) -> RpcResult<OpenSessionResponse> {
        let trace = request
            .metadata()
            .get("traceparent")
            .map(|t| t.to_str().unwrap().to_owned());
        let request = request.into_inner();
        let session = Session {
            id: Uuid::now_v7().to_string(),
            project: request.project,
            client: request.client,
            status: SessionStatus::Active.into(),
            epoch: 1,
            ..Session::default()
        };
        self.with(|store| {
            store.traces.extend(trace);
            store.sessions.insert(session.id.clone(), session.clone());
        });
        Ok(Response::new(OpenSessionResponse {
            session: Some(session),
        }))
    }

    async fn attach_session(
        &self,
        request: Request<Streaming<AttachSessionRequest>>,
    ) -> RpcResult<Self::AttachSessionStream> {
        let mut requests = request.into_inner();
        let (events, received) = mpsc::channel(8);
        let Some(AttachSessionRequest {
            message: Some(Message::Attach(attach)),
        }) = requests.message().await?
        else {
            return Err(Status::invalid_argument("attach first"));
        };
        let epoch = self.with(|store| store.attach(&attach, events.clone()))?;
        let lease = Event::Lease(LeaseGranted { epoch, ttl: None });
        events
            .send(Ok(AttachSessionResponse { event: Some(lease) }))
            .await
            .unwrap();
        let service = self.clone();
        tokio::spawn(async move {
            let _stream_stays_open_with_it = events;
            while let Ok(Some(AttachSessionRequest {
                message: Some(message),
            })) = requests.message().await
            {
                match message {
                    Message::Heartbeat(_) => service.with(|store| store.heartbeats += 1),
                    Message::Detach(detach) => service.with(|store| {
                        store.detach_reasons.push(detach.reason);
                        store.owners.remove(&attach.session_id);
                    }),
                    Message::Attach(_) => return,
                }
            }
            service.with(|store| {
                store.owners.remove(&attach.session_id);
                if let Some(session) = store
                    .sessions
                    .get_mut(&attach.session_id)
                    .filter(|s| s.epoch == epoch)
                {
                    session.attached = false;
                    session.set_status(SessionStatus::Interrupted);
                }
            });
        });
        Ok(Response::new(ReceiverStream::new(received)))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> RpcResult<GetSessionResponse> {
        let session = self.with(|store| store.session(&request.get_ref().session_id))?;
        Ok(Response::new(GetSessionResponse {
            session: Some(session),
        }))
    }

    async fn list_sessions(
        &self,
        _: Request<ListSessionsRequest>,
    ) -> RpcResult<ListSessionsResponse> {
        let sessions = self.with(|store| store.sessions.values().cloned().collect());
        Ok(Response::new(ListSessionsResponse {
            sessions,
            ..ListSessionsResponse::default()
        }))
    }

    async fn save_checkpoint(
        &self,
        request: Request<SaveCheckpointRequest>,
    ) -> RpcResult<SaveCheckpointResponse> {
        let request = request.into_inner();
        self.with(|store| {
            store.check_owner(&request.session_id, request.epoch)?;
            let checkpoint = match store.saves.get(&request.request_id) {
                Some(known) => known.clone(),
                None => store.append(&request.session_id, request.state.unwrap(), request.trigger),
            };
            store.saves.insert(request.request_id, checkpoint.clone());
            if store.lose_answers > 0 {
                store.lose_answers -= 1;
                return Err(Status::unavailable("the connection broke"));
            }
            Ok(Response::new(SaveCheckpointResponse {
                checkpoint: Some(checkpoint),
            }))
        })
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> RpcResult<GetCheckpointResponse> {
        let request = request.into_inner();
        let (checkpoint, state) =
            self.with(|store| store.newest(&request.checkpoint_id, &request.session_id))?;
        let answer = GetCheckpointResponse {
            checkpoint: Some(checkpoint),
            state: Some(state),
            damaged_numbers: Vec::new(),
        };
        Ok(Response::new(answer))
    }

    async fn list_checkpoints(
        &self,
        request: Request<ListCheckpointsRequest>,
    ) -> RpcResult<ListCheckpointsResponse> {
        let id = request.into_inner().session_id;
        let checkpoints = self.with(|store| {
            store
                .checkpoints
                .iter()
                .rev()
                .map(|(c, _)| c.clone())
                .filter(|c| c.session_id == id)
                .collect()
        });
        Ok(Response::new(ListCheckpointsResponse {
            checkpoints,
            ..ListCheckpointsResponse::default()
        }))
    }

    async fn search_checkpoints(
        &self,
        request: Request<SearchCheckpointsRequest>,
    ) -> RpcResult<SearchCheckpointsResponse> {
        let query = request.into_inner().query;
        let hits = self.with(|store| {
            let found = store
                .checkpoints
                .iter()
                .filter(|(checkpoint, _)| checkpoint.current_task.contains(&query));
            let hit = |checkpoint: &Checkpoint| SearchHit {
                checkpoint: Some(checkpoint.clone()),
                snippet: format!("**{query}**"),
                ..SearchHit::default()
            };
            found.map(|(checkpoint, _)| hit(checkpoint)).collect()
        });
        Ok(Response::new(SearchCheckpointsResponse {
            hits,
            ..Default::default()
        }))
    }

    async fn detect_recovery(
        &self,
        request: Request<DetectRecoveryRequest>,
    ) -> RpcResult<DetectRecoveryResponse> {
        let request = request.into_inner();
        let candidates = self.with(|store| {
            let waiting = store.sessions.values().filter(|s| {
                s.status() == SessionStatus::Interrupted
                    && s.head_number > 0
                    && s.dismissed_at.is_none()
            });
            let candidates = waiting.map(|session| {
                let (checkpoint, state) = store.newest("", &session.id).unwrap();
                RecoveryCandidate {
                    session: Some(session.clone()),
                    checkpoint: Some(checkpoint),
                    confidence: 0.9,
                    same_project: session.project == request.project,
                    next_steps: state.next_steps,
                    ..RecoveryCandidate::default()
                }
            });
            candidates
                .filter(|candidate| candidate.same_project || !request.only_project)
                .collect()
        });
        Ok(Response::new(DetectRecoveryResponse { candidates }))
    }

    async fn restore_checkpoint(
        &self,
        request: Request<RestoreCheckpointRequest>,
    ) -> RpcResult<RestoreCheckpointResponse> {
        let request = request.into_inner();
        self.with(|store| {
            store.restores.push(request.clone());
            let (checkpoint, state) = store.newest(&request.checkpoint_id, &request.session_id)?;
            let session = store.sessions.get_mut(&checkpoint.session_id).unwrap();
            if session.status() == SessionStatus::Active && !request.take_over {
                return Err(fault(
                    Code::FailedPrecondition,
                    "SESSION_OWNED",
                    "or restore with take_over",
                ));
            }
            session.epoch += 1;
            session.set_status(SessionStatus::Active);
            let answer = RestoreCheckpointResponse {
                restore_id: Uuid::now_v7().to_string(),
                session: Some(session.clone()),
                checkpoint: Some(checkpoint),
                state: Some(state),
                resume_prompt: "Goal: port the parser".into(),
                ..RestoreCheckpointResponse::default()
            };
            Ok(Response::new(answer))
        })
    }

    async fn dismiss_recovery(
        &self,
        request: Request<DismissRecoveryRequest>,
    ) -> RpcResult<DismissRecoveryResponse> {
        let session = self.with(|store| {
            let session = store
                .sessions
                .get_mut(&request.get_ref().session_id)
                .unwrap();
            session.dismissed_at = Some(Timestamp::from(std::time::SystemTime::now()));
            session.clone()
        });
        Ok(Response::new(DismissRecoveryResponse {
            session: Some(session),
        }))
    }

    async fn end_session(&self, _: Request<EndSessionRequest>) -> RpcResult<EndSessionResponse> {
        Err(unused())
    }
    async fn delete_session(
        &self,
        _: Request<DeleteSessionRequest>,
    ) -> RpcResult<DeleteSessionResponse> {
        Err(unused())
    }
    async fn diff_checkpoints(
        &self,
        _: Request<DiffCheckpointsRequest>,
    ) -> RpcResult<DiffCheckpointsResponse> {
        Err(unused())
    }
    async fn fork_session(&self, _: Request<ForkSessionRequest>) -> RpcResult<ForkSessionResponse> {
        Err(unused())
    }
    async fn record_resume(
        &self,
        _: Request<RecordResumeRequest>,
    ) -> RpcResult<RecordResumeResponse> {
        Err(unused())
    }
    async fn prune(&self, _: Request<PruneRequest>) -> RpcResult<PruneResponse> {
        Err(unused())
    }
    async fn export(&self, _: Request<ExportRequest>) -> RpcResult<Self::ExportStream> {
        Err(unused())
    }
    async fn import(&self, _: Request<Streaming<ImportRequest>>) -> RpcResult<ImportResponse> {
        Err(unused())
    }
}

fn unused() -> Status {
    Status::unimplemented("the gateway never calls it")
}

#[tonic::async_trait]
impl SignalService for CheckpointRpc {
    async fn record_signals(
        &self,
        request: Request<RecordSignalsRequest>,
    ) -> RpcResult<RecordSignalsResponse> {
        let request = request.into_inner();
        self.with(|store| store.check_owner(&request.session_id, request.epoch))?;
        let tokens = request
            .signals
            .unwrap()
            .estimated_tokens
            .unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let factor = RiskFactor {
            name: "tokens".into(),
            value: tokens as f64,
            limit: 150_000.0,
            unit: "tokens".into(),
            zone: if tokens > 150_000 {
                RiskLevel::Warning
            } else {
                RiskLevel::Safe
            }
            .into(),
            weight: 0.3,
        };
        let assessment = RiskAssessment {
            risk: 0.3,
            level: factor.zone,
            factors: vec![factor],
            assessed_at: None,
        };
        let answer = RecordSignalsResponse {
            assessment: Some(assessment),
            previous_level: RiskLevel::Safe.into(),
            danger_checkpoint: None,
        };
        Ok(Response::new(answer))
    }

    async fn assess_risk(&self, _: Request<AssessRiskRequest>) -> RpcResult<AssessRiskResponse> {
        let assessment = RiskAssessment {
            level: RiskLevel::Safe.into(),
            ..RiskAssessment::default()
        };
        Ok(Response::new(AssessRiskResponse {
            assessment: Some(assessment),
        }))
    }

    async fn list_signal_history(
        &self,
        _: Request<ListSignalHistoryRequest>,
    ) -> RpcResult<ListSignalHistoryResponse> {
        Err(unused())
    }
}
