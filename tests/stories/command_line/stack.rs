//! The stack itself: looked at, checked, connected to clients, stopped and started; and what every command answers if it is
//! typed wrongly.

use super::shell::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_is_looked_at_and_checked() {
    let shell = Shell::new().await;
    shell.snapshot_both("status", &["status"]).await;
    shell.snapshot_both("doctor", &["doctor"]).await;
    shell.snapshot("healthcheck", &["healthcheck"]).await;
    let tasks = ["healthcheck", "--service", "shim.coordination.v1.TaskService"];
    shell.snapshot("healthcheck_service", &tasks).await;
    let unknown = ["healthcheck", "--service", "shim.nothing.v1.Nothing"];
    shell.snapshot("healthcheck_unknown", &unknown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_is_stopped_and_started() {
    let shell = Shell::new().await;
    shell.snapshot("up_twice", &["up", "--detach"]).await;
    shell.snapshot("down", &["down"]).await;
    shell.snapshot("down_twice", &["down"]).await;
    shell.snapshot_both("status_stopped", &["status"]).await;
    shell.snapshot("healthcheck_stopped", &["healthcheck"]).await;
    shell.snapshot("locks_list_stopped", &["locks", "list"]).await;
    let check = ["files", "check", "src/main.rs"];
    shell.snapshot("files_check_stopped", &check).await;
    shell.snapshot("up_detach", &["up", "--detach"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_connected() {
    let shell = Shell::new().await;
    for client in ["claude-code", "claude-desktop"] {
        let name = client.replace('-', "_");
        let print = ["install", client, "--print"];
        shell.snapshot(&format!("install_{name}_print"), &print).await;
        let install = ["install", client];
        shell.snapshot(&format!("install_{name}"), &install).await;
        shell.snapshot(&format!("install_{name}_again"), &install).await;
    }
    let project = ["install", "claude-code", "--project"];
    shell.snapshot("install_project", &project).await;
    let wrong = ["install", "claude-desktop", "--project"];
    shell.snapshot("install_wrong", &wrong).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_wrongly_is_answered() {
    let shell = Shell::new().await;
    shell.snapshot("usage_unknown_command", &["sessoins"]).await;
    shell.snapshot("usage_missing_argument", &["tasks", "show"]).await;
    shell.snapshot("usage_bad_number", &["sessions", "show", "x", "--history", "0"]).await;
    let listen = ["up", "--listen", "nowhere"];
    shell.snapshot("usage_bad_setting", &listen).await;
    shell.snapshot("version", &["--version"]).await;
}
