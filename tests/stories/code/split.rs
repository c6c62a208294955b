//! A large project as parts over the workers.

use serde_json::{Value, json};
use shim_proto::coordination::v1::{TaskEventKind, WatchTaskRequest};

use super::CodeEnv;

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_in_parts_ends_as_one_report() {
    let env = CodeEnv::new().await;
    let report = &env.json(&["analyze", ".", "--split=3", "--json"]).await[0];
    assert_eq!(report["project"]["name"], "ranges");
    let eslint = report["tools"].as_array().unwrap().iter();
    let eslint = eslint.clone().find(|run| run["tool"] == "eslint").unwrap();
    assert_eq!(eslint["files"], eslint["cachedFiles"], "{report}");

    let merged = env.done("analyze", &json!({"parts": 3})).await;
    assert_eq!(merged["complete"], true, "{merged}");
    let text = merged["result"]["text"].as_str().unwrap();
    let summary = report["summary"].as_str().unwrap();
    let (first, _) = summary.split_once('\n').unwrap_or((summary, ""));
    assert!(text.starts_with(first), "{text}\n{summary}");
    assert!(!text.contains("part 1 of 3"), "{text}");

    let refused = env
        .shim(&[
            "tasks",
            "submit",
            "g",
            "--kind",
            "analyze",
            "--payload",
            r#"{"parts": 0}"#,
        ])
        .await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("payload.parts"),
        "{said}"
    );
    env.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_project_is_split_by_itself_and_stops_when_it_is_called_off() {
    let env = CodeEnv::new().await;
    for at in 0..1_001 {
        let folder = env.root().join(format!("src/m{}", at % 20));
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!("var unused = {at};\nexports.f = (x) => x == {at};\n");
        std::fs::write(folder.join(format!("f{at}.js")), text).unwrap();
    }
    let words = ["tasks", "submit", "look", "--kind", "analyze", "--json"];
    let submitted = &env.json(&words).await[0];
    let parts = submitted["subtasks"].as_array().unwrap();
    assert_eq!(parts.len(), 9, "{submitted}");
    assert_eq!(parts[8]["dependsOn"].as_array().unwrap().len(), 8);
    let job = submitted["task"]["taskId"].as_str().unwrap();

    // The log tells when a part is at work.
    let asked = WatchTaskRequest {
        task_id: job.to_owned(),
        ..WatchTaskRequest::default()
    };
    let log = env.service.tasks().jobs.watch_task(asked).await;
    let mut log = log.unwrap().into_inner();
    while let Some(line) = log.message().await.unwrap() {
        if line.event.unwrap().kind() == TaskEventKind::Started {
            break;
        }
    }
    env.said(&["tasks", "cancel", job]).await;
    // It ends with the job.
    while log.message().await.unwrap().is_some() {}
    let shown = &env.json(&["tasks", "show", job, "--json"]).await[0];
    assert_eq!(shown["task"]["state"], "TASK_STATE_CANCELLED");
    // Its room is free again, and nothing of it is at work.
    let first = env
        .done(
            "analyze",
            &json!({"first_picture_only": true, "include": ["src/ranges.js"]}),
        )
        .await;
    assert_eq!(first["complete"], true, "{first}");
    let workers = env.json(&["workers", "list", "--json"]).await;
    let held = |value: &Value| {
        value["taskIds"]
            .as_array()
            .is_some_and(|ids| !ids.is_empty())
    };
    let listed = workers[0]["workers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(!listed.iter().any(held), "{workers:?}");
    let worktrees = env.temp.data_dir().join("evolution/worktrees");
    assert!(
        worktrees
            .read_dir()
            .map_or(true, |mut left| left.next().is_none())
    );
}
