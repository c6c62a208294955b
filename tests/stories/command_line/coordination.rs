//! `shim locks`, `shim files`, `shim state` and `shim messages`: what windows share.

use std::time::Duration;

use shim_tests::calls;
use shim_tests::coordination::{NAMESPACE, counted, lock, put};
use uuid::Uuid;

use super::shell::Shell;

/// Longer than the story.
const TTL: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn locks_are_listed_shown_and_released() {
    let shell = Shell::new().await;
    let mut clients = shell.service.coordination();
    for (name, owner) in [("deploy", "window 1"), ("schema", "window 2")] {
        clients.lock(lock(name, owner, TTL)).await.unwrap();
    }
    shell
        .snapshot_both("locks_list", &["locks", "list", "-n", NAMESPACE])
        .await;
    shell
        .snapshot_both("locks_list_none", &["locks", "list", "-n", "empty"])
        .await;
    shell
        .snapshot_both("locks_show", &["locks", "show", "schema", "-n", NAMESPACE])
        .await;
    shell
        .snapshot_both(
            "locks_show_free",
            &["locks", "show", "free", "-n", NAMESPACE],
        )
        .await;
    let release = ["locks", "release", "schema", "-n", NAMESPACE];
    shell.snapshot("locks_release_unforced", &release).await;
    let release = ["locks", "release", "schema", "-n", NAMESPACE, "--force"];
    shell.snapshot("locks_release", &release).await;
    let release = [
        "locks", "release", "deploy", "-n", NAMESPACE, "--force", "--json",
    ];
    shell.snapshot("locks_release_json", &release).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_leased_checked_and_released() {
    let shell = Shell::new().await;
    let acquire = |pattern: &'static str, holder: &'static str| {
        let purpose = ["--purpose", "new index", "--ttl", "30m"];
        [
            &["files", "acquire", pattern, "--holder", holder][..],
            &purpose,
        ]
        .concat()
    };
    shell
        .snapshot("files_acquire", &acquire("src/store/**", "window-2"))
        .await;
    let other = [acquire("docs/*.md", "window-3"), vec!["--shared", "--json"]].concat();
    shell.snapshot("files_acquire_json", &other).await;
    shell
        .snapshot(
            "files_acquire_held",
            &acquire("src/store/index.rs", "window-3"),
        )
        .await;
    shell.snapshot_both("files_list", &["files", "list"]).await;
    shell
        .snapshot("files_list_path", &["files", "list", "docs/a.md"])
        .await;
    let own = [
        "files",
        "check",
        "src/store/index.rs",
        "--holder",
        "window-2",
    ];
    shell.snapshot_both("files_check_own", &own).await;
    let held = ["files", "check", "src/store/index.rs", "src/main.rs"];
    shell.snapshot_both("files_check_held", &held).await;
    let release = ["files", "release", "--holder", "window-2"];
    shell.snapshot("files_release", &release).await;
    let release = ["files", "release", "--holder", "window-3", "--json"];
    shell.snapshot("files_release_json", &release).await;
    shell
        .snapshot_both("files_list_none", &["files", "list"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_written_read_and_deleted() {
    let shell = Shell::new().await;
    let value = r#"{"step": 1, "owner": "window 2"}"#;
    let plan = ["state", "put", "plan", value, "--ttl", "1d"];
    shell.snapshot("state_put", &plan).await;
    let build = ["state", "put", "build/debug", "{}", "--json"];
    shell.snapshot("state_put_json", &build).await;
    let expected = ["state", "put", "plan", "{}", "--expect", "0"];
    shell.snapshot("state_put_mismatch", &expected).await;
    shell
        .snapshot("state_put_wrong", &["state", "put", "plan", "[1]"])
        .await;
    shell
        .snapshot_both("state_get", &["state", "get", "plan"])
        .await;
    shell
        .snapshot("state_get_missing", &["state", "get", "nothing"])
        .await;
    shell.snapshot_both("state_list", &["state", "list"]).await;
    shell
        .snapshot(
            "state_list_prefix",
            &["state", "list", "--prefix", "build/"],
        )
        .await;
    let patch = [
        "state",
        "patch",
        "plan",
        r#"{"step": 2}"#,
        "--remove",
        "owner",
    ];
    shell.snapshot_both("state_patch", &patch).await;
    shell
        .snapshot("state_delete", &["state", "delete", "plan"])
        .await;
    let delete = ["state", "delete", "build/debug", "--json"];
    shell.snapshot("state_delete_json", &delete).await;
    shell
        .snapshot_both("state_list_none", &["state", "list"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_state_are_watched() {
    let shell = Shell::new().await;
    let mut clients = shell.service.coordination();
    clients.put(put("first", counted(1), None)).await.unwrap();
    let plain = ["state", "watch", "-n", NAMESPACE];
    let as_json = ["state", "watch", "-n", NAMESPACE, "--json"];
    for (name, words, ready, key) in [
        ("state_watch", &plain[..], "watching", "second"),
        ("state_watch_json", &as_json[..], "synced", "third"),
    ] {
        let mut clients = clients.clone();
        let change = async move {
            clients.put(put(key, counted(2), None)).await.unwrap();
        };
        shell
            .snapshot_watch(name, words, (ready, key), change)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_and_read() {
    let mut shell = Shell::new().await;
    let mut client = shell.service.client();
    let opened = calls::open(&mut client, "/srv/limiter").await.unwrap();
    let session = opened.id;
    shell.redaction.replace_id(&session, "session");
    let nobody = Uuid::now_v7().to_string();
    shell.redaction.replace_id(&nobody, "nobody");
    let lost = ["messages", "send", "--session", &nobody, "hello"];
    shell.snapshot("messages_send_to_no_session", &lost).await;
    let send = |text: &'static str| {
        [
            "messages",
            "send",
            "--session",
            &session,
            text,
            "--from",
            "ann",
        ]
    };
    shell
        .snapshot("messages_send", &send("the schema is merged"))
        .await;
    let other = [&send("go on with the index")[..], &["--json"]].concat();
    shell.snapshot("messages_send_json", &other).await;
    let crowd = [
        "messages",
        "send",
        "--capability",
        "cobol",
        "is anybody there",
        "--from",
        "ann",
    ];
    shell.snapshot("messages_send_to_none", &crowd).await;
    shell
        .snapshot(
            "messages_read",
            &["messages", "read", &session, "--limit", "1"],
        )
        .await;
    let rest = ["messages", "read", &session, "--ack", "--json"];
    shell.snapshot("messages_read_json", &rest).await;
    let empty = Uuid::now_v7().to_string();
    shell.redaction.replace_id(&empty, "empty");
    shell
        .snapshot_both("messages_read_none", &["messages", "read", &empty])
        .await;
}
