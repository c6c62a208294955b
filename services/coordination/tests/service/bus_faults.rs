//! Stories of subscribers in trouble: Redis dies or falls silent, they are too slow, the service stops.

use std::time::{Duration, Instant};

use futures::future::join_all;
use shim_proto::coordination::v1::subscribe_response::Event;
use shim_proto::coordination::v1::*;
use shim_redis_harness::{Cluster, Redis, Reply};
use tonic::Code;

use super::bus::{heard, listen, next, publication, publish, text};
use super::house::{House, id, refusal, span, within};

#[tokio::test]
async fn a_subscriber_is_told_that_it_missed_news_and_then_hears_again() {
    let mut redis = Redis::start();
    let house = House::on(&redis).await;
    let mut news = listen(&house, &["a", "b", "c"], &["x*", "y*"]).await;
    redis.restart();
    assert_eq!(next(&mut news).await, Event::Missed(Missed { count: 0 }));
    let mut bus = house.bus.clone();
    within(async {
        while bus.publish(publication("a", "again")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    loop {
        match next(&mut news).await {
            Event::News(event) => return assert_eq!(text(&event.payload.unwrap()), "again"),
            // A slow machine may tell one break in parts.
            other => assert_eq!(other, Event::Missed(Missed { count: 0 })),
        }
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_told_exactly_how_much_it_missed() {
    const PUBLISHED: u64 = 2_048;
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let mut news = listen(&house, &["a"], &[]).await;
    let mut witness = listen(&house, &["a"], &[]).await;
    let large = "x".repeat(8_000);
    for _ in 0..PUBLISHED / 32 {
        join_all((0..32).map(|_| publish(&house, "a", &large))).await;
        for _ in 0..32 {
            heard(&mut witness).await;
        }
    }
    let (mut told, mut missed) = (0, 0);
    while told + missed < PUBLISHED {
        match next(&mut news).await {
            Event::News(_) => told += 1,
            Event::Missed(gap) => missed += gap.count,
            Event::Subscribed(_) => panic!("it was told before"),
        }
    }
    assert!(missed > 0, "{told} were told");
    assert_eq!(told + missed, PUBLISHED);
    publish(&house, "a", "next").await;
    assert_eq!(heard(&mut news).await.1, "next");
}

#[tokio::test]
async fn a_subscription_ends_with_the_service() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let mut news = listen(&house, &["a"], &[]).await;
    let end = tokio::spawn(async move { news.message().await });
    house.stop().await;
    let ended = within(end).await.unwrap();
    assert_eq!(refusal(ended), (Code::Unavailable, "STOPPING".into()));
}

#[tokio::test]
async fn without_redis_nobody_listens() {
    let mut house = House::unready("", &[]).await;
    let request = SubscribeRequest {
        channels: vec!["a".into()],
        ..Default::default()
    };
    let refused = refusal(house.bus.subscribe(request).await);
    assert_eq!(refused, (Code::Unavailable, "NO_REDIS".into()));
    let refused = refusal(house.bus.publish(publication("a", "b")).await);
    assert_eq!(refused, (Code::Unavailable, "NO_REDIS".into()));
}

#[tokio::test]
async fn a_silent_redis_keeps_no_caller_waiting() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    redis.freeze();
    let begin = Instant::now();
    for n in 0..12 {
        let (mut listener, mut reader) = (house.bus.clone(), house.bus.clone());
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
        while house.bus.clone().subscribe(request()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn channels_nobody_listens_to_any_more_are_left() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let mut stays = listen(&house, &["stays"], &[]).await;
    for n in 0..20 {
        drop(listen(&house, &[&format!("gone-{n}")], &[&format!("gone-{n}*")]).await);
    }
    let listened_to = || {
        let channels = redis.ask(&["PUBSUB", "CHANNELS", "shim:bus:*"]).unwrap();
        let patterns = redis.ask(&["PUBSUB", "NUMPAT"]).unwrap();
        // The supervisor listens to the ends of workers.
        let channels = channels.items().iter().filter_map(Reply::text);
        let others = channels.filter(|name| !name.starts_with("shim:bus:worker:"));
        (others.count(), patterns.integer().unwrap())
    };
    within(async {
        while listened_to() != (1, 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    publish(&house, "stays", "heard").await;
    assert_eq!(heard(&mut stays).await.1, "heard");
    let mut back = listen(&house, &["gone-1"], &[]).await;
    publish(&house, "gone-1", "heard again").await;
    assert_eq!(heard(&mut back).await.1, "heard again");
}

#[tokio::test]
async fn news_cross_a_cluster() {
    let cluster = Cluster::start();
    let (here, there) = (
        House::with(&cluster.url(), &[]).await,
        House::with(&cluster.url(), &[]).await,
    );
    let mut news = listen(&there, &["a"], &["b*"]).await;
    for n in 0..8 {
        publish(&here, ["a", "bc"][n % 2], &n.to_string()).await;
        assert_eq!(heard(&mut news).await.1, n.to_string());
    }
}
