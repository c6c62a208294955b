//! Stories of the readers of an inbox: they wait, race each other, disconnect, and lose Redis.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use shim_proto::coordination::v1::*;
use shim_redis_harness::{Redis, Reply};
use tonic::Code;

use super::inbox::{acknowledge, ids, receive, receive_request, send, texts};
use super::test_service::{TestService, id, refusal, span, within};

#[tokio::test]
async fn an_unacknowledged_message_comes_back_after_its_time_and_not_before() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    for text in ["a", "b", "c"] {
        send(&service, &inbox, text).await;
    }
    let asked = Instant::now();
    let short = ReceiveMessagesRequest {
        max_messages: 2,
        visibility: span(1_000),
        ..receive_request(&inbox)
    };
    assert_eq!(texts(&receive(&service, short.clone()).await), ["a", "b"]);
    let long = ReceiveMessagesRequest {
        visibility: span(3_600_000),
        ..receive_request(&inbox)
    };
    assert_eq!(texts(&receive(&service, long).await), ["c"]);

    // The call waits for the visibility timeout: the messages come back not before it, and not long after.
    let waiting = ReceiveMessagesRequest {
        max_messages: 100,
        wait: span(10_000),
        ..short
    };
    let again = receive(&service, waiting).await;
    let after = asked.elapsed();
    assert!(after >= Duration::from_millis(1_000), "{after:?}");
    assert!(after < Duration::from_millis(1_900), "{after:?}");
    assert_eq!((texts(&again), again.remaining), (vec!["a", "b"], 1));
    assert!(again.messages.iter().all(|message| message.deliveries == 2));

    // An acknowledgement of any reader removes the messages for all readers.
    assert_eq!(acknowledge(&service, &inbox, ids(&again)).await, 2);
    let later = ReceiveMessagesRequest {
        wait: span(1_200),
        ..receive_request(&inbox)
    };
    assert_eq!(receive(&service, later).await.messages, []);
}

#[tokio::test]
async fn eight_readers_never_get_the_same_message() {
    const MESSAGES: usize = 500;
    let redis = Redis::start();
    let services = [
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    ];
    let inbox = id();
    let readers: Vec<_> = (0..8)
        .map(|n| {
            let (mut bus, inbox) = (services[n % 2].bus.clone(), inbox.clone());
            tokio::spawn(async move {
                let mut got = Vec::new();
                let mut request = ReceiveMessagesRequest {
                    max_messages: 7,
                    wait: span(3_000),
                    ..receive_request(&inbox)
                };
                loop {
                    let answer = bus.receive_messages(request.clone()).await;
                    let answer = answer.unwrap().into_inner();
                    request.ack_ids = ids(&answer);
                    if answer.messages.is_empty() {
                        return got;
                    }
                    got.extend(texts(&answer).into_iter().map(str::to_owned));
                }
            })
        })
        .collect();
    let texts: Vec<_> = (0..MESSAGES).map(|n| n.to_string()).collect();
    for some in texts.chunks(16) {
        join_all(some.iter().map(|text| send(&services[0], &inbox, text))).await;
    }
    let mut times = BTreeMap::new();
    for got in within(join_all(readers)).await {
        for text in got.unwrap() {
            *times.entry(text).or_insert(0) += 1;
        }
    }
    assert_eq!(times.len(), MESSAGES);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert_eq!(
        receive(&services[0], receive_request(&inbox))
            .await
            .remaining,
        0
    );
}

/// A delivery: the message, the count of its deliveries, and the times of the reader's request and of its response.
struct Delivery {
    text: String,
    deliveries: u32,
    asked: Instant,
    answered: Instant,
}

/// Reads messages until `stop`, and acknowledges each message only at its third delivery.
async fn read_carelessly(service: &TestService, inbox: &str, stop: &AtomicBool) -> Vec<Delivery> {
    let mut all = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let request = ReceiveMessagesRequest {
            max_messages: 5,
            visibility: span(1_000),
            ..receive_request(inbox)
        };
        let asked = Instant::now();
        let answer = receive(service, request).await;
        let answered = Instant::now();
        let mut done = answer.clone();
        done.messages.retain(|message| message.deliveries == 3);
        if !done.messages.is_empty() {
            let count = u32::try_from(done.messages.len()).unwrap();
            assert_eq!(acknowledge(service, inbox, ids(&done)).await, count);
        }
        all.extend(answer.messages.into_iter().map(|message| Delivery {
            text: message.text,
            deliveries: message.deliveries,
            asked,
            answered,
        }));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all
}

#[tokio::test]
async fn an_unacknowledged_message_comes_back_to_one_reader_at_a_time() {
    const MESSAGES: usize = 200;
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    for n in 0..MESSAGES {
        send(&service, &inbox, &n.to_string()).await;
    }
    let stop = AtomicBool::new(false);
    let readers = join_all((0..8).map(|_| read_carelessly(&service, &inbox, &stop)));
    let until_empty = async {
        let key = format!("shim:{{inbox:{inbox}}}:messages");
        while redis.command(&["XLEN", &key]).unwrap() != Reply::Integer(0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (got, ()) = within(async { tokio::join!(readers, until_empty) }).await;

    let mut deliveries: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for got in got.into_iter().flatten() {
        deliveries.entry(got.text.clone()).or_default().push(got);
    }
    assert_eq!(deliveries.len(), MESSAGES);
    for (text, mut of_message) in deliveries {
        of_message.sort_by_key(|got| got.deliveries);
        let counts: Vec<_> = of_message.iter().map(|got| got.deliveries).collect();
        assert_eq!(counts, [1, 2, 3], "message {text}");
        for pair in of_message.windows(2) {
            let apart = pair[1].answered - pair[0].asked;
            assert!(apart >= Duration::from_secs(1), "message {text}: {apart:?}");
        }
    }
}

/// Waits until the service subscribes to the channel of arrivals, which the first waiting call of a service makes it do.
async fn until_subscribed(redis: &Redis) {
    let listeners = ["PUBSUB", "NUMSUB", "shim:bus:message:sent"];
    while redis.command(&listeners).unwrap().items()[1] == Reply::Integer(0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_waiting_reader_gets_a_message_at_once() {
    let redis = Redis::start();
    let (reader, writer) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let inbox = id();
    let waiting = ReceiveMessagesRequest {
        wait: span(25_000),
        ..receive_request(&inbox)
    };
    for n in 0..10 {
        let (mut bus, request) = (reader.bus.clone(), waiting.clone());
        let waits = tokio::spawn(async move {
            let answer = bus.receive_messages(request).await;
            (answer.unwrap().into_inner(), Instant::now())
        });
        within(until_subscribed(&redis)).await;
        let sent = Instant::now();
        send(&writer, &inbox, &n.to_string()).await;
        let (answer, got) = within(waits).await.unwrap();
        assert_eq!(texts(&answer), [n.to_string()]);
        let after = got - sent;
        // A reader that misses the publication polls after a second.
        assert!(after < Duration::from_millis(900), "{after:?}");
    }
}

#[tokio::test]
async fn a_wait_without_an_arrival_ends_with_no_message() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let asked = Instant::now();
    let waiting = ReceiveMessagesRequest {
        wait: span(300),
        ..receive_request(&id())
    };
    assert_eq!(
        receive(&service, waiting).await,
        ReceiveMessagesResponse::default()
    );
    let after = asked.elapsed();
    assert!(after >= Duration::from_millis(300), "{after:?}");
    assert!(after < Duration::from_millis(1_000), "{after:?}");
}

#[tokio::test]
async fn a_waiting_reader_is_released_when_the_service_stops() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let waiting = ReceiveMessagesRequest {
        wait: span(25_000),
        ..receive_request(&id())
    };
    let mut bus = service.bus.clone();
    let waits = tokio::spawn(async move { bus.receive_messages(waiting).await });
    within(until_subscribed(&redis)).await;
    service.stop().await;
    let refused = refusal(within(waits).await.unwrap());
    assert_eq!(refused, (Code::Unavailable, "STOPPING".into()));
}

#[tokio::test]
async fn a_reader_that_disconnects_loses_no_message() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    let waiting = ReceiveMessagesRequest {
        wait: span(20_000),
        visibility: span(1_000),
        ..receive_request(&inbox)
    };
    for n in 0..20 {
        let (mut bus, request) = (service.bus.clone(), waiting.clone());
        let reader = tokio::spawn(async move { bus.receive_messages(request).await });
        let send = send(&service, &inbox, "keep me");
        // Each reader disconnects at another moment: before, during and after the arrival of the message.
        let hang_up = async {
            tokio::time::sleep(Duration::from_micros(n * 150)).await;
            reader.abort();
        };
        tokio::join!(send, hang_up);
    }
    let mut seen = 0;
    within(async {
        while seen < 20 {
            let got = receive(&service, waiting.clone()).await;
            seen += acknowledge(&service, &inbox, ids(&got)).await;
        }
    })
    .await;
    assert_eq!(
        receive(&service, receive_request(&inbox)).await.remaining,
        0
    );
}

#[tokio::test]
async fn messages_survive_the_death_of_redis() {
    let mut redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    send(&service, &inbox, "a").await;
    send(&service, &inbox, "b").await;
    let one = ReceiveMessagesRequest {
        max_messages: 1,
        visibility: span(1_000),
        ..receive_request(&inbox)
    };
    assert_eq!(texts(&receive(&service, one.clone()).await), ["a"]);
    // A waiting reader fails as soon as Redis is gone.
    let (mut bus, waiting) = (
        service.bus.clone(),
        ReceiveMessagesRequest {
            inbox: id(),
            wait: span(25_000),
            ..one
        },
    );
    let waits = tokio::spawn(async move { bus.receive_messages(waiting).await });
    redis.kill();
    let killed = Instant::now();
    let refused = refusal(within(waits).await.unwrap());
    assert_eq!(refused, (Code::Unavailable, "STORE_UNAVAILABLE".into()));
    assert!(
        killed.elapsed() < Duration::from_secs(2),
        "{:?}",
        killed.elapsed()
    );

    redis.restart();
    let mut got = Vec::new();
    within(async {
        while got.len() < 2 {
            let request = ReceiveMessagesRequest {
                wait: span(2_000),
                ..receive_request(&inbox)
            };
            if let Ok(answer) = service.bus.clone().receive_messages(request).await {
                got.extend(answer.into_inner().messages);
            }
        }
    })
    .await;
    let found: BTreeMap<_, _> = got
        .iter()
        .map(|message| (message.text.as_str(), message.deliveries))
        .collect();
    assert_eq!(found, BTreeMap::from([("a", 2), ("b", 1)]));
}
