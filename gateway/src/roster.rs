//! Workers in words, for the tool and the prompt alike.

use shim_proto::coordination::v1::Worker;

use crate::wording;

const MAX_NAME_CHARACTERS: usize = 60;
const MAX_DETAIL_CHARACTERS: usize = 100;
/// Capabilities in a line; the structure has all of them.
const MAX_CAPABILITIES: usize = 8;

/// The living workers, a line for each.
pub(crate) fn list(workers: &[Worker], has_more: bool) -> String {
    let mut text = match workers.len() {
        0 => "No worker lives. shim_worker_task action=register makes a session one.".to_owned(),
        count if has_more => format!("{count} living workers, and there are more:"),
        count => format!("{count} living worker(s):"),
    };
    for worker in workers {
        text.push_str(&format!("\n- {}", line(worker)));
    }
    text
}

/// One worker in a line; its id is whole, since messages are sent to it.
fn line(worker: &Worker) -> String {
    let name = match worker.name.as_str() {
        "" => "(unnamed)".to_owned(),
        name => wording::short(name, MAX_NAME_CHARACTERS),
    };
    let mut line = format!(
        "{name} [{}, {}, {}] {}/{} running, can: {}, heard {}, worker_id={}",
        wording::worker_kind(worker.kind()),
        wording::worker_state(worker.state()),
        wording::worker_health(worker.health()),
        worker.running,
        worker.capacity,
        capabilities(&worker.capabilities),
        wording::ago(worker.last_heartbeat_at.as_ref()),
        worker.worker_id,
    );
    if !worker.detail.is_empty() {
        let detail = wording::short(&worker.detail, MAX_DETAIL_CHARACTERS);
        line.push_str(&format!(" ({detail})"));
    }
    line
}

fn capabilities(all: &[String]) -> String {
    let shown = all.iter().take(MAX_CAPABILITIES).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(" ");
    match all.len() {
        0 => "nothing named".to_owned(),
        count if count > MAX_CAPABILITIES => {
            format!("{shown} and {} more", count - MAX_CAPABILITIES)
        }
        _ => shown,
    }
}
