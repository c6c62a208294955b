//! Names and ids of what holds a planted text.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shim_tests::coordination::NAMESPACE;

use super::World;
use crate::bad_input::wire::Wire;

/// Of each kind, and of tasks in each state, so many.
const MANY: usize = 4;
const MAX_PAGES: usize = 20;

#[derive(Default)]
pub(super) struct Known {
    pub(super) sessions: Vec<String>,
    pub(super) checkpoints: Vec<String>,
    pub(super) jobs: Vec<String>,
    pub(super) workers: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) locks: Vec<String>,
}

impl Known {
    pub(super) async fn of(world: &World) -> Self {
        let checkpoint = Wire::to(&world.service);
        let coordination = Wire::to_coordination(&world.service);
        let mut known = Self {
            sessions: planted(&checkpoint, "ListSessions", "sessions", "id", json!({})).await,
            jobs: planted(&coordination, "ListTasks", "tasks", "task_id", json!({})).await,
            workers: planted(
                &coordination,
                "ListWorkers",
                "workers",
                "worker_id",
                json!({}),
            )
            .await,
            ..Self::default()
        };
        let of_namespace = json!({"namespace": NAMESPACE});
        known.keys = planted(
            &coordination,
            "ListState",
            "entries",
            "key",
            of_namespace.clone(),
        )
        .await;
        known.locks = planted(&coordination, "ListLocks", "locks", "name", of_namespace).await;
        for session_id in &known.sessions {
            let of_session = json!({"session_id": session_id});
            let saved = planted(
                &checkpoint,
                "ListCheckpoints",
                "checkpoints",
                "id",
                of_session,
            )
            .await;
            known.checkpoints.extend(saved);
        }
        known
    }
}

/// The entries of a list that hold a planted text, by a field of theirs: some of each status or state.
async fn planted(wire: &Wire, method: &str, list: &str, field: &str, about: Value) -> Vec<String> {
    let mut by_state: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut token = Value::String(String::new());
    for _ in 0..MAX_PAGES {
        let mut request = about.clone();
        request["page_size"] = json!(100);
        request["page_token"] = token;
        let answer = wire.call(method, &request).await.unwrap();
        for item in answer[list].as_array().into_iter().flatten() {
            let state = format!("{}{}", item["state"], item["status"]);
            let of_state = by_state.entry(state).or_default();
            let is_planted = item.to_string().to_lowercase().contains("forged");
            if is_planted && of_state.len() < MANY {
                of_state.extend(item[field].as_str().map(str::to_owned));
            }
        }
        token = answer["next_page_token"].clone();
        if token.as_str().unwrap_or_default().is_empty() {
            break;
        }
    }
    by_state.into_values().flatten().collect()
}
