//! `shim tasks`: jobs given, looked at, decided, gathered.

use super::known_data::{completed_job, failed_job, gated_job, running_job, worker};
use super::shell::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_shown_and_gathered() {
    let mut shell = Shell::new().await;
    let ada = worker(&shell.service, "ada").await;
    let completed = completed_job(&shell.service, &ada).await;
    let failed = failed_job(&shell.service, &ada).await;
    let running = running_job(&shell.service, &ada).await;
    let gated = gated_job(&shell.service).await;
    for (id, name) in [
        (&ada.worker_id, "ada"),
        (&completed, "completed"),
        (&failed, "failed"),
        (&running, "running"),
        (&gated, "gated"),
    ] {
        shell.redaction.replace_id(id, name);
    }
    shell.snapshot_both("tasks_list", &["tasks", "list"]).await;
    shell
        .snapshot_both("tasks_list_parts", &["tasks", "list", "--root", &running])
        .await;
    shell
        .snapshot("tasks_list_failed", &["tasks", "list", "--state", "failed"])
        .await;
    shell
        .snapshot_both("tasks_show", &["tasks", "show", &running])
        .await;
    let part = format!("{running}/parse");
    shell
        .snapshot("tasks_show_part", &["tasks", "show", &part])
        .await;
    shell
        .snapshot("tasks_show_failed", &["tasks", "show", &failed])
        .await;
    shell
        .snapshot("tasks_show_missing", &["tasks", "show", "ffffffff"])
        .await;
    shell
        .snapshot_both("tasks_watch", &["tasks", "watch", &completed])
        .await;
    shell
        .snapshot("tasks_watch_failed", &["tasks", "watch", &failed])
        .await;
    shell
        .snapshot_both("tasks_results", &["tasks", "results", &completed])
        .await;
    shell
        .snapshot("tasks_results_partial", &["tasks", "results", &running])
        .await;
    shell
        .snapshot_both("tasks_health", &["tasks", "health"])
        .await;
    shell
        .snapshot_both("workers_show", &["workers", "show", &ada.worker_id])
        .await;
    shell.snapshot("status_with_jobs", &["status"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_submitted() {
    let shell = Shell::new().await;
    let submit = [
        "tasks",
        "submit",
        "port the parser",
        "--no-split",
        "--require",
        "rust",
    ];
    shell.snapshot_both("tasks_submit", &submit).await;
    let plan = shell.temp.root().join("plan.json");
    let parts = r#"[{"key": "parse", "goal": "read it"}, {"key": "test", "goal": "test it", "depends_on": ["parse"]}]"#;
    std::fs::write(&plan, parts).unwrap();
    let plan = plan.display().to_string();
    let release = [
        "tasks",
        "submit",
        "release 1.4",
        "--subtasks",
        &plan,
        "--on-failure",
        "continue",
    ];
    shell.snapshot("tasks_submit_parts", &release).await;
    let nightly = [
        "tasks",
        "submit",
        "nightly audit",
        "--schedule",
        "0 3 * * *",
    ];
    shell.snapshot("tasks_submit_schedule", &nightly).await;
    let wrong = ["tasks", "submit", "nightly audit", "--schedule", "never"];
    shell.snapshot("tasks_submit_wrong_schedule", &wrong).await;
    let wrong = ["tasks", "submit", "work", "--subtasks", "missing.json"];
    shell.snapshot("tasks_submit_missing_file", &wrong).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_jobs_are_forgotten_with_their_files_of_output() {
    let mut shell = Shell::new().await;
    let ada = worker(&shell.service, "ada").await;
    shell.redaction.replace_id(&ada.worker_id, "ada");
    failed_job(&shell.service, &ada).await;
    gated_job(&shell.service).await;
    let folder = shell.temp.data_dir().join("artifacts");
    std::fs::create_dir_all(&folder).unwrap();
    let output = folder.join("task-1.stdout");
    std::fs::write(&output, "all that it wrote").unwrap();
    let prune = |more: &[&'static str]| [&["tasks", "prune"], more].concat();
    shell.snapshot("tasks_prune_without_age", &prune(&[])).await;
    let old = prune(&["--older-than", "1d"]);
    shell.snapshot_both("tasks_prune_old", &old).await;
    assert!(output.exists());
    let counted = prune(&["--older-than", "0s", "--dead-letters", "--dry-run"]);
    shell.snapshot("tasks_prune_counted", &counted).await;
    assert!(output.exists());
    let all = prune(&["--older-than", "0s", "--dead-letters"]);
    shell.snapshot("tasks_prune", &all).await;
    assert!(!output.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_decided_retried_and_cancelled() {
    let mut shell = Shell::new().await;
    let ada = worker(&shell.service, "ada").await;
    shell.redaction.replace_id(&ada.worker_id, "ada");
    let mut failed = Vec::new();
    for name in ["failed", "failed again"] {
        let id = failed_job(&shell.service, &ada).await;
        shell.redaction.replace_id(&id, name);
        failed.push(id);
    }
    let mut gated = Vec::new();
    for name in ["approved", "rejected", "cancelled", "cancelled too"] {
        let id = gated_job(&shell.service).await;
        shell.redaction.replace_id(&id, name);
        gated.push(id);
    }
    shell
        .snapshot("tasks_approve", &["tasks", "approve", &gated[0]])
        .await;
    shell
        .snapshot("tasks_approve_again", &["tasks", "approve", &gated[0]])
        .await;
    let reject = [
        "tasks", "approve", &gated[1], "--reject", "--reason", "not now", "--json",
    ];
    shell.snapshot("tasks_approve_json", &reject).await;
    let cancel = ["tasks", "cancel", &gated[2], "--reason", "enough"];
    shell.snapshot("tasks_cancel", &cancel).await;
    shell
        .snapshot(
            "tasks_cancel_json",
            &["tasks", "cancel", &gated[3], "--json"],
        )
        .await;
    shell
        .snapshot("tasks_retry", &["tasks", "retry", &failed[0]])
        .await;
    shell
        .snapshot(
            "tasks_retry_json",
            &["tasks", "retry", &failed[1], "--json"],
        )
        .await;
    shell
        .snapshot("tasks_retry_refused", &["tasks", "retry", &gated[0]])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_paused_and_resumed() {
    let mut shell = Shell::new().await;
    let submit = ["tasks", "submit", "port the parser", "--no-split", "--json"];
    let submitted = shell.run(&submit).await;
    let submitted: serde_json::Value = serde_json::from_slice(&submitted.stdout).unwrap();
    let id = submitted["task"]["taskId"].as_str().unwrap().to_owned();
    shell.redaction.replace_id(&id, "job");
    let pause = ["tasks", "pause"];
    shell.snapshot("tasks_pause", &pause).await;
    let again = ["tasks", "pause", "work", "--json"];
    shell.snapshot("tasks_pause_again", &again).await;
    shell
        .snapshot("tasks_pause_unknown", &["tasks", "pause", "cobol"])
        .await;
    shell
        .snapshot_both("tasks_health_paused", &["tasks", "health"])
        .await;
    shell
        .snapshot("tasks_show_paused", &["tasks", "show", &id])
        .await;
    let status = shell.run(&["status"]).await;
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(
        status.contains("queue work is paused, and 1 task waits there"),
        "{status}"
    );
    let doctor = shell.run(&["doctor"]).await;
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(
        doctor.contains("-> `shim tasks resume` lets paused queues go on"),
        "{doctor}"
    );
    let resume = ["tasks", "resume", "work"];
    shell.snapshot("tasks_resume", &resume).await;
    shell.snapshot("tasks_resume_again", &resume).await;
}
