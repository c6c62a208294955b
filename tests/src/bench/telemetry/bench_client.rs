//! The calls that are measured, one after the other in each lane.

use shim_proto::checkpoint::v1::CheckpointState;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_runtime::client::Channel;

use super::super::lane::Lane;
use crate::calls;
use crate::coordination::{CoordinationClients, NAMESPACE, counted, put};
use crate::rng::SeededRng;
use crate::sample_content;
use crate::service::Service;

const STATE_BYTES: usize = 2 * 1024;

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    Save,
    Put,
    Get,
}

/// A client that makes one call after the other.
pub(super) struct BenchClient {
    call: Call,
    checkpoints: CheckpointServiceClient<Channel>,
    session: shim_proto::checkpoint::v1::Session,
    content: CheckpointState,
    state: CoordinationClients,
    key: String,
    number: u64,
}

impl BenchClient {
    pub(super) async fn several(call: Call, service: &Service, count: usize) -> Vec<Self> {
        let (mut checkpoints, state) = (service.client(), service.coordination());
        let mut lanes = Vec::with_capacity(count);
        for number in 0..count {
            let session = calls::open(&mut checkpoints, "/telemetry").await;
            let content =
                sample_content::state(&mut SeededRng::new(number as u64), "telemetry", STATE_BYTES);
            let mut lane = Self {
                call: Call::Put,
                checkpoints: checkpoints.clone(),
                session: session.expect("a session is opened"),
                content,
                state: state.clone(),
                key: format!("telemetry-{number}"),
                number: 0,
            };
            lane.call().await;
            lane.call = call;
            lanes.push(lane);
        }
        lanes
    }
}

impl Lane for BenchClient {
    async fn call(&mut self) {
        self.number += 1;
        match self.call {
            Call::Save => {
                let saved = calls::save(&mut self.checkpoints, &self.session, self.content.clone());
                saved.await.expect("a save goes through");
            }
            Call::Put => {
                let request = put(&self.key, counted(self.number), None);
                self.state.put(request).await.expect("a write goes through");
            }
            Call::Get => {
                let got = self.state.get(NAMESPACE, &self.key).await;
                got.expect("a read is answered");
            }
        }
    }
}
