//! The calls beside one that does nothing: `Check` of gRPC's health service, in the same process and through the same layers.

use std::time::Duration;

use shim_runtime::client::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Operation, ours};
use crate::bench::figure::Figure;
use crate::bench::lane::{Lane, Turn, median, turn};
use crate::service::Service;

const ROUNDS: usize = 7;
const TURN: Duration = Duration::from_millis(400);
const IN_FLIGHT: usize = 64;
const SHARE: f64 = 0.6;
const MEASURED: [(Operation, &str); 3] = [
    (Operation::PutState, "PutState"),
    (Operation::PatchState, "PatchState"),
    (Operation::Lock, "AcquireLock, ReleaseLock in turn"),
];

struct NoOp(HealthClient<Channel>);

impl Lane for NoOp {
    async fn call(&mut self) {
        let request = HealthCheckRequest::default();
        self.0.check(request).await.expect("the service is healthy");
    }
}

pub(super) async fn measure(service: &Service) -> Vec<Figure> {
    let client = HealthClient::new(service.channel());
    let mut figures = Vec::new();
    for (operation, name) in MEASURED {
        let mut nothing: Vec<_> = (0..IN_FLIGHT).map(|_| NoOp(client.clone())).collect();
        let mut lanes = ours::lanes(operation, service, IN_FLIGHT).await;
        let (mut our_turns, mut no_op_turns): (Vec<Turn>, Vec<Turn>) = (Vec::new(), Vec::new());
        for _ in 0..=ROUNDS {
            let (back, measured) = turn(nothing, TURN).await;
            nothing = back;
            no_op_turns.push(measured);
            let (back, measured) = turn(lanes, TURN).await;
            lanes = back;
            our_turns.push(measured);
        }
        // The first round warms up.
        let rate = |turns: &[Turn]| median(&turns[1..], |turn| turn.rate);
        let (ours, no_op) = (rate(&our_turns), rate(&no_op_turns));
        let figure = Figure::new(format!("{name}, {IN_FLIGHT} in flight"), ours, "1/s");
        let figure = figure.beside("a call that does nothing", no_op);
        figures.push(figure.target(">= 0.6x", ours >= SHARE * no_op));
    }
    figures
}
