//! From the call of SendMessage to the answer of a ReceiveMessages that was waiting.

use std::time::{Duration, Instant};

use crate::bench::figure::Figure;
use crate::bench::latency::Latencies;
use crate::calls::request_id;
use crate::coordination::{inbox, message, proto_duration};
use crate::service::Service;

const WARM_UP: usize = 50;
const DELIVERIES: usize = 1_000;
/// By then the receiver waits.
const SETTLE: Duration = Duration::from_millis(3);
const WAIT: Duration = Duration::from_secs(5);

pub(super) async fn measure(service: &Service) -> Vec<Figure> {
    let mut sender = service.coordination();
    let receiver = service.coordination();
    let id = request_id();
    let mut latencies = Latencies::default();
    let mut ack_ids = Vec::new();
    for number in 0..WARM_UP + DELIVERIES {
        let mut waiting = inbox(&id);
        waiting.wait = proto_duration(WAIT);
        waiting.ack_ids = std::mem::take(&mut ack_ids);
        let mut receiver = receiver.clone();
        let waiting = tokio::spawn(async move {
            let taken = receiver.receive(waiting).await;
            (taken, Instant::now())
        });
        tokio::time::sleep(SETTLE).await;
        let start = Instant::now();
        let sent = sender.send(message(&id, "hello")).await;
        sent.expect("a message is sent");
        let (taken, at) = waiting.await.expect("no panic");
        let taken = taken.expect("messages are given out");
        assert_eq!(taken.len(), 1, "the message came while it was waited for");
        ack_ids = taken
            .into_iter()
            .map(|message| message.message_id)
            .collect();
        if number >= WARM_UP {
            latencies.record(at.duration_since(start));
        }
    }
    let typical = Figure::new("message delivery, p50", latencies.percentile_ms(50), "ms");
    let slow = Figure::new("message delivery, p99", latencies.percentile_ms(99), "ms");
    vec![typical, slow.at_most(5.0)]
}
