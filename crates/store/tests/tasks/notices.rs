//! The messages to the submitter of a job: one that it waits for an approval, and one that it ended.

use std::time::Duration;

use shim_proto::coordination::v1::{ApprovalGates, Message};
use shim_proto::limits::coordination::{
    MAX_CALLER_MESSAGES, MAX_INBOX_MESSAGES, MAX_SENDER_MESSAGES, OWN_INBOX_MESSAGES,
};
use shim_store::inbox::InboxId;

use super::test_store::{TestStore, graph, once, single};

const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn received(env: &TestStore) -> Vec<String> {
    let hidden = Duration::from_secs(60);
    let taken = env
        .store
        .inboxes
        .receive(SESSION.parse().unwrap(), 100, hidden, &[])
        .await
        .unwrap();
    let words = |text: String| text.split(' ').take(3).collect::<Vec<_>>().join(" ");
    taken
        .messages
        .into_iter()
        .map(|message| words(message.text))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitter_is_notified_of_an_approval_and_of_the_end_once_each() {
    let env = TestStore::new().await;
    let mut plan = graph(&[&[]]);
    plan.root.submitted_by = SESSION.to_owned();
    plan.subtasks[0].approval = Some(ApprovalGates {
        before_start: true,
        before_result: false,
    });
    let ids = env.submit(plan).await;
    assert_eq!(received(&env).await, [format!("task {} waits", ids[1])]);
    env.store
        .tasks
        .approve(&once(), &ids[1], false, "")
        .await
        .unwrap();
    let claimed = env.claim_soon("w").await;
    // What is relayed twice is sent once.
    let (again, done) = (once(), super::test_store::result("done"));
    for _ in 0..2 {
        let (id, lease, usage) = (&ids[1], claimed.lease, Default::default());
        let done = env.store.tasks.complete(&again, id, lease, &done, &usage);
        done.await.unwrap();
    }
    env.wait_until_relayed().await;
    assert_eq!(received(&env).await, [format!("job {} completed:", ids[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_submitter_sends_no_message() {
    let env = TestStore::new().await;
    env.submit(single("one")).await;
    let claimed = env.claim("w").await.unwrap();
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    assert_eq!(received(&env).await, Vec::<String>::new());
}

/// A message of somebody else.
async fn send(env: &TestStore, sender: &str, caller: &str) -> Result<(), shim_store::Error> {
    let message = Message {
        sender: sender.to_owned(),
        text: "hello".to_owned(),
        ..Message::default()
    };
    let inbox = SESSION.parse().unwrap();
    let (key, inboxes) = (once(), &env.store.inboxes);
    inboxes.send(&key, inbox, &message, caller).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sender_and_no_caller_takes_the_room_of_others_or_of_notices() {
    let env = TestStore::new().await;
    for _ in 0..MAX_SENDER_MESSAGES {
        send(&env, "a", "ann").await.unwrap();
    }
    let full = send(&env, "a", "ann").await.unwrap_err();
    let words = format!(
        "inbox {SESSION} holds 200 unread messages of this sender, and at most 200 are allowed"
    );
    assert_eq!(full.to_string(), words);
    let mut sent = MAX_SENDER_MESSAGES;
    while send(&env, &format!("a{sent}"), "ann").await.is_ok() {
        sent += 1;
    }
    assert_eq!(sent, MAX_CALLER_MESSAGES);
    while send(&env, &format!("b{sent}"), "bob").await.is_ok() {
        sent += 1;
    }
    assert_eq!(sent, MAX_INBOX_MESSAGES - OWN_INBOX_MESSAGES);
    // The end of a job still finds room.
    let mut plan = single("one");
    plan.root.submitted_by = SESSION.to_owned();
    let ids = env.submit(plan).await;
    env.cancel(&ids[0]).await;
    env.wait_until_relayed().await;
    assert_eq!(env.store.tasks.health().await.unwrap().owed, 0);
    let mut all = Vec::new();
    while all.len() <= sent {
        all.extend(received(&env).await);
    }
    assert_eq!(all.last().unwrap(), &format!("job {} was", ids[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_comes_when_there_is_room() {
    let env = TestStore::new().await;
    let mut ids = Vec::new();
    for _ in 0..=MAX_INBOX_MESSAGES {
        let mut plan = single("one");
        plan.root.submitted_by = SESSION.to_owned();
        ids.extend(env.submit(plan).await);
    }
    for id in &ids {
        env.cancel(id).await;
    }
    env.wait_until_relayed().await;
    assert_eq!(env.store.tasks.health().await.unwrap().owed, 1);
    let inbox: InboxId = SESSION.parse().unwrap();
    let mut got = 0;
    while got <= MAX_INBOX_MESSAGES {
        let hidden = Duration::from_secs(60);
        let taken = env
            .store
            .inboxes
            .receive(inbox, 100, hidden, &[])
            .await
            .unwrap();
        let read: Vec<_> = taken
            .messages
            .iter()
            .map(|it| it.message_id.parse().unwrap())
            .collect();
        got += read.len();
        env.store.inboxes.acknowledge(inbox, &read).await.unwrap();
        // The next time to try is now.
        let owed = "{shim.tasks}:owed";
        let waiting = env.redis.command(&["ZRANGE", owed, "0", "-1"]).unwrap();
        for entry in waiting.items().iter().filter_map(|item| item.text()) {
            env.redis.command(&["ZADD", owed, "0", entry]).unwrap();
        }
        env.sweep().await;
    }
    assert_eq!(env.store.tasks.health().await.unwrap().owed, 0);
    let left = env
        .redis
        .command(&["EXISTS", &format!("shim:{{inbox:{SESSION}}}:senders")]);
    assert_eq!(
        left.unwrap().integer(),
        Some(0),
        "nothing is counted any more"
    );
}
