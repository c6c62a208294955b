//! `shim sessions`: what was saved, and what is done with it.

use shim_proto::checkpoint::v1::{CheckpointState, Session};
use shim_tests::calls;

use super::known_data::{interrupted_session, limiter_session};
use super::shell::Shell;

async fn shell() -> (Shell, Session, Session) {
    let mut shell = Shell::new().await;
    let limiter = limiter_session(&shell.service).await;
    let billing = interrupted_session(&shell.service).await;
    shell.redaction.replace_id(&limiter.id, "limiter");
    shell.redaction.replace_id(&billing.id, "billing");
    (shell, limiter, billing)
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_shown_and_searched() {
    let (shell, limiter, billing) = shell().await;
    shell.snapshot_both("sessions_list", &["sessions", "list"]).await;
    let interrupted = ["sessions", "list", "--status", "interrupted"];
    shell.snapshot("sessions_list_interrupted", &interrupted).await;
    let other = ["sessions", "list", "--project", "/srv/none"];
    shell.snapshot_both("sessions_list_none", &other).await;
    shell.snapshot_both("sessions_show", &["sessions", "show", &limiter.id]).await;
    let first = ["sessions", "show", &limiter.id, "--checkpoint", "1"];
    shell.snapshot("sessions_show_first", &first).await;
    let missing = ["sessions", "show", "ffffffff"];
    shell.snapshot("sessions_show_missing", &missing).await;
    let lost = ["sessions", "show", &billing.id];
    shell.snapshot("sessions_show_interrupted", &lost).await;
    shell.snapshot_both("sessions_search", &["sessions", "search", "token bucket"]).await;
    shell.snapshot("sessions_search_none", &["sessions", "search", "nothing"]).await;
    let (from, to) = (format!("{}:1", limiter.id), format!("{}:2", limiter.id));
    shell.snapshot_both("sessions_diff", &["sessions", "diff", &from, &to]).await;
    shell.snapshot("sessions_verify", &["sessions", "verify"]).await;
    let prune = ["sessions", "prune", "--older-than", "1d", "--dry-run"];
    shell.snapshot_both("sessions_prune", &prune).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_sessions_are_watched() {
    let (shell, limiter, _) = shell().await;
    let change = async {
        let state = CheckpointState {
            current_task: "measure it".into(),
            progress: 0.75,
            ..Default::default()
        };
        let saved = calls::save(&mut shell.service.client(), &limiter, state).await;
        saved.unwrap();
    };
    // With --json it says nothing before the first change, so a test cannot tell when it watches.
    let words = ["sessions", "watch"];
    let marks = ("watching", "saved #3");
    shell.snapshot_watch("sessions_watch", &words, marks, change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_restored_forked_and_ended() {
    let (shell, limiter, billing) = shell().await;
    shell.snapshot_both("sessions_dismiss", &["sessions", "dismiss", &billing.id]).await;
    shell.snapshot_both("sessions_restore", &["sessions", "restore", &billing.id]).await;
    let fork = ["sessions", "fork", &limiter.id, "--title", "another way"];
    shell.snapshot_both("sessions_fork", &fork).await;
    let end = ["sessions", "end", &billing.id, "--abandoned", "--force"];
    shell.snapshot_both("sessions_end", &end).await;
    shell.snapshot("sessions_delete_unasked", &["sessions", "delete", &billing.id]).await;
    let delete = ["sessions", "delete", &billing.id, "--yes", "--force"];
    shell.snapshot("sessions_delete", &delete).await;
    let delete = ["sessions", "delete", &limiter.id, "--yes", "--force", "--json"];
    shell.snapshot("sessions_delete_json", &delete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_exported_imported_and_backed_up() {
    let (shell, limiter, _) = shell().await;
    shell.snapshot("sessions_export", &["sessions", "export", &limiter.id]).await;
    let archive = shell.temp.root().join("sessions.jsonl").display().to_string();
    let export = ["sessions", "export", "--output", &archive];
    shell.snapshot("sessions_export_file", &export).await;
    shell.snapshot_both("sessions_import", &["sessions", "import", &archive]).await;
    let copy = shell.temp.root().join("copy.db").display().to_string();
    shell.snapshot("sessions_backup", &["sessions", "backup", &copy]).await;
    shell.snapshot("sessions_backup_again", &["sessions", "backup", &copy]).await;
}
