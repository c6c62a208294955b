//! Stories of subscribers under faults: Redis dies or hangs, a subscriber is too slow, the service stops.

use std::time::{Duration, Instant};

use futures::future::join_all;
use shim_proto::coordination::v1::subscribe_response::Event;
use shim_proto::coordination::v1::*;
use shim_redis_harness::{Cluster, Redis, Reply};
use tonic::Code;

use super::bus::{next, next_publication, publication, publish, subscribe_to, text};
use super::test_service::{TestService, id, refusal, span, within};

#[tokio::test]
async fn a_subscriber_learns_that_it_missed_events_and_then_receives_again() {
    let mut redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["a", "b", "c"], &["x*", "y*"]).await;
    redis.restart();
    assert_eq!(
        next(&mut subscription).await,
        Event::Missed(Missed { count: 0 })
    );
    let mut bus = service.bus.clone();
    within(async {
        while bus.publish(publication("a", "again")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    loop {
        match next(&mut subscription).await {
            Event::News(event) => return assert_eq!(text(&event.payload.unwrap()), "again"),
            // On a slow machine one break may arrive as several events.
            other => assert_eq!(other, Event::Missed(Missed { count: 0 })),
        }
    }
}

#[tokio::test]
async fn a_slow_subscriber_learns_exactly_how_many_events_it_missed() {
    const PUBLISHED: u64 = 2_048;
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["a"], &[]).await;
    let mut witness = subscribe_to(&service, &["a"], &[]).await;
    let large = "x".repeat(8_000);
    for _ in 0..PUBLISHED / 32 {
        join_all((0..32).map(|_| publish(&service, "a", &large))).await;
        for _ in 0..32 {
            next_publication(&mut witness).await;
        }
    }
    let (mut delivered, mut missed) = (0, 0);
    while delivered + missed < PUBLISHED {
        match next(&mut subscription).await {
            Event::News(_) => delivered += 1,
            Event::Missed(gap) => missed += gap.count,
            Event::Subscribed(_) => panic!("it was told before"),
        }
    }
    assert!(missed > 0, "{delivered} were told");
    assert_eq!(delivered + missed, PUBLISHED);
    publish(&service, "a", "next").await;
    assert_eq!(next_publication(&mut subscription).await.1, "next");
}

#[tokio::test]
async fn a_subscription_ends_with_the_service() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["a"], &[]).await;
    let end = tokio::spawn(async move { subscription.message().await });
    service.stop().await;
    let ended = within(end).await.unwrap();
    assert_eq!(refusal(ended), (Code::Unavailable, "STOPPING".into()));
}

#[tokio::test]
async fn without_redis_every_subscription_is_refused() {
    let mut service = TestService::start_unready("", &[]).await;
    let request = SubscribeRequest {
        channels: vec!["a".into()],
        ..Default::default()
    };
    let refused = refusal(service.bus.subscribe(request).await);
    assert_eq!(refused, (Code::Unavailable, "NO_REDIS".into()));
    let refused = refusal(service.bus.publish(publication("a", "b")).await);
    assert_eq!(refused, (Code::Unavailable, "NO_REDIS".into()));
}

#[tokio::test]
async fn a_frozen_redis_keeps_no_caller_waiting() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    redis.freeze();
    let begin = Instant::now();
    for n in 0..12 {
        let (mut listener, mut reader) = (service.bus.clone(), service.bus.clone());
        let subscribe = SubscribeRequest {
            channels: vec![format!("new-{n}")],
            ..Default::default()
        };
        let receive = ReceiveMessagesRequest {
            inbox: id(),
            wait: span(25_000),
            ..Default::default()
        };
        let asked = Instant::now();
        let (subscribed, received) = tokio::join!(
            listener.subscribe(subscribe),
            reader.receive_messages(receive)
        );
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1), "attempt {n}: {took:?}");
        for refused in [refusal(subscribed), refusal(received)] {
            assert_eq!(refused, (Code::Unavailable, "STORE_UNAVAILABLE".into()));
        }
        if begin.elapsed() > Duration::from_secs(4) {
            break;
        }
    }
    redis.thaw();
    within(async {
        let request = || SubscribeRequest {
            channels: vec!["new".into()],
            ..Default::default()
        };
        while service.bus.clone().subscribe(request()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_channel_without_subscribers_is_unsubscribed() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut stays = subscribe_to(&service, &["stays"], &[]).await;
    for n in 0..20 {
        drop(subscribe_to(&service, &[&format!("gone-{n}")], &[&format!("gone-{n}*")]).await);
    }
    let listened_to = || {
        let channels = redis
            .command(&["PUBSUB", "CHANNELS", "shim:bus:*"])
            .unwrap();
        let patterns = redis.command(&["PUBSUB", "NUMPAT"]).unwrap();
        // The supervision subscribes to the channels of workers and of tasks that wait.
        let channels = channels.items().iter().filter_map(Reply::text);
        let own = ["shim:bus:worker:", "shim:bus:task:"];
        let others = channels.filter(|name| !own.iter().any(|own| name.starts_with(own)));
        (others.count(), patterns.integer().unwrap())
    };
    within(async {
        while listened_to() != (1, 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    publish(&service, "stays", "heard").await;
    assert_eq!(next_publication(&mut stays).await.1, "heard");
    let mut back = subscribe_to(&service, &["gone-1"], &[]).await;
    publish(&service, "gone-1", "heard again").await;
    assert_eq!(next_publication(&mut back).await.1, "heard again");
}

#[tokio::test]
async fn events_cross_a_cluster() {
    let cluster = Cluster::start();
    let (here, there) = (
        TestService::start_with(&cluster.url(), &[]).await,
        TestService::start_with(&cluster.url(), &[]).await,
    );
    let mut subscription = subscribe_to(&there, &["a"], &["b*"]).await;
    for n in 0..8 {
        publish(&here, ["a", "bc"][n % 2], &n.to_string()).await;
        assert_eq!(next_publication(&mut subscription).await.1, n.to_string());
    }
}
