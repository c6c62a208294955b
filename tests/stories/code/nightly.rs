//! What is proposed at night, and proposed once.

use serde_json::{Value, json};

use super::CodeEnv;

async fn schedules(env: &CodeEnv) -> Vec<Value> {
    let listed = &env.json(&["tasks", "list", "--json"]).await[0];
    let tasks = listed["tasks"].as_array().cloned().unwrap_or_default();
    let is_waiting = |task: &Value| {
        task["schedule"].as_str().is_some_and(|at| !at.is_empty())
            && task["state"] == "TASK_STATE_DELAYED"
    };
    tasks.into_iter().filter(is_waiting).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_schedule_is_set_once_changed_and_removed() {
    let env = CodeEnv::new().await;
    let set = [
        "evolve",
        "--nightly",
        ".",
        "--at",
        "0  4 * * 1-5",
        "--limit",
        "2",
    ];
    let said = env.said(&set).await;
    assert!(
        said.starts_with("set: ") && said.contains("next runs"),
        "{said}"
    );
    let again = env.said(&set).await;
    assert!(again.starts_with("it is set already"), "{again}");
    let there = schedules(&env).await;
    assert_eq!(there.len(), 1);
    assert_eq!(
        (&there[0]["schedule"], &there[0]["kind"]),
        (&json!("0 4 * * 1-5"), &json!("evolve"))
    );
    assert_eq!(there[0]["payload"]["limit"].as_f64(), Some(2.0));

    let changed = env
        .said(&["evolve", "--nightly", ".", "--limit", "3"])
        .await;
    assert!(changed.contains("removed: "), "{changed}");
    let there = schedules(&env).await;
    assert_eq!(there.len(), 1);
    assert_eq!(there[0]["schedule"], "0 3 * * *");

    let wrong = env
        .shim(&["evolve", "--nightly", ".", "--at", "at night"])
        .await;
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        !wrong.status.success() && told.contains("schedule"),
        "{told}"
    );
    assert_eq!(schedules(&env).await.len(), 1);

    let removed = env.said(&["evolve", ".", "--no-nightly"]).await;
    assert!(removed.starts_with("removed: "), "{removed}");
    assert!(schedules(&env).await.is_empty());
    let none = env.said(&["evolve", ".", "--no-nightly"]).await;
    assert!(none.starts_with("nothing runs at night"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_proposes_what_nobody_was_asked_about() {
    let env = CodeEnv::new().await;
    let night = json!({"nightly": true, "transforms": ["var-to-let-const"], "limit": 2});
    let proposals = |merged: Value| {
        super::find(&merged, "proposals")
            .unwrap()
            .as_array()
            .unwrap()
            .clone()
    };
    let first = env.done("evolve", &night).await;
    let text = first["result"]["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains("1 evolution proposed") && text.contains("files"),
        "{text}"
    );
    let first = proposals(first);
    assert_eq!(first.len(), 1);
    assert!(
        proposals(env.done("evolve", &night).await).is_empty(),
        "it waits already"
    );

    // A commit elsewhere changes nothing for the place; a new place is proposed alone.
    env.commit(&[("src/more.js", "var more = 1;\nexports.more = () => more;\n")]);
    let second = proposals(env.done("evolve", &night).await);
    assert_eq!(second.len(), 1);
    assert_eq!(second[0]["files"], json!(["src/more.js"]));

    // What was turned down is not asked for again while its file stays as it is.
    let id = second[0]["evolution_id"].as_str().unwrap();
    env.said(&["evolve", "reject", id, "--reason", "no"]).await;
    assert!(proposals(env.done("evolve", &night).await).is_empty());
    env.commit(&[("src/more.js", "var more = 2;\nexports.more = () => more;\n")]);
    assert_eq!(proposals(env.done("evolve", &night).await).len(), 1);
    let listed = env
        .said(&["evolve", "list", ".", "--state", "proposed"])
        .await;
    assert_eq!(
        listed
            .lines()
            .filter(|line| line.contains("var-to-let-const"))
            .count(),
        2,
        "{listed}"
    );
}
