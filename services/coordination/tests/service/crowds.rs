//! Stories of many waiting calls and open streams, beside which short calls are still served.

use std::time::Duration;

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use tonic::Code;

use super::bus::subscribe_to;
use super::inbox::receive_request;
use super::registry::{heartbeat, register, registration};
use super::test_service::{TestService, id, refusal, span, within};

/// More waiting calls than the server runs at once.
const WAITERS: usize = 1_100;
const BATCH: usize = 100;
/// The limit of open streams.
const STREAMS: usize = 1_024;

#[tokio::test]
async fn many_waiting_calls_do_not_block_heartbeats() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = register(&service, registration()).await;
    let mut waiters = Vec::new();
    for _ in 0..WAITERS / BATCH {
        for _ in 0..BATCH {
            let request = ReceiveMessagesRequest {
                wait: span(20_000),
                ..receive_request(&id())
            };
            let mut bus = service.bus.clone();
            waiters.push(tokio::spawn(
                async move { bus.receive_messages(request).await },
            ));
        }
        // A separate task sends the heartbeat after the waiters before it, on the same connection.
        let heartbeat = HeartbeatRequest {
            worker_id: worker.worker_id.clone(),
            epoch: worker.epoch,
            ..Default::default()
        };
        let mut registry = service.registry.clone();
        let beaten = tokio::spawn(async move { registry.heartbeat(heartbeat).await });
        within(beaten).await.unwrap().unwrap();
    }

    service.stop().await;
    for waiter in waiters {
        let error = refusal(within(waiter).await.unwrap());
        assert_eq!(error, (Code::Unavailable, "STOPPING".to_owned()));
    }
}

#[tokio::test]
async fn open_streams_are_limited_and_leave_room_for_calls() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = register(&service, registration()).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        open.push(subscribe_to(&service, &["news"], &[]).await);
    }

    let subscribe = SubscribeRequest {
        channels: vec!["news".into()],
        ..Default::default()
    };
    let watch = WatchStateRequest {
        namespace: "a".into(),
        ..Default::default()
    };
    let overloaded = (Code::ResourceExhausted, "OVERLOADED".to_owned());
    let refused = service.bus.clone().subscribe(subscribe.clone()).await;
    let delay = decode(refused.as_ref().unwrap_err()).retry_after;
    assert_eq!(delay, Some(Duration::from_secs(1)));
    assert_eq!(refusal(refused), overloaded);
    let refused = service.state.clone().watch_state(watch).await;
    assert_eq!(refusal(refused), overloaded);
    let workers = WatchWorkersRequest::default();
    let refused = service.registry.clone().watch_workers(workers).await;
    assert_eq!(refusal(refused), overloaded);
    heartbeat(&service, &worker).await.unwrap();

    open.pop();
    within(async {
        while let Err(refused) = service.bus.clone().subscribe(subscribe.clone()).await {
            assert_eq!(decode(&refused).reason, "OVERLOADED");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
