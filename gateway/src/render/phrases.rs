//! Phrases that only the gateway says: moments beside this process's clock, clients, quoted texts and lost tasks.

use std::time::SystemTime;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::{ClientInfo, ProcessIdentity};
use shim_render::text::indented;
use shim_render::time;
use shim_runtime::service_error::decode;
use tonic::Status;

/// A client's name and processes, as far as they are known. Two gateways may serve one client, so its gateway is named, too.
pub(crate) fn client(client: Option<&ClientInfo>) -> String {
    let Some(client) = client.filter(|client| !client.name.is_empty()) else {
        return "another client".to_owned();
    };
    let pid = |process: Option<ProcessIdentity>| process.map_or(0, |process| process.pid);
    let name = &client.name;
    match (pid(client.client_process), pid(client.gateway_process)) {
        (0, 0) => name.clone(),
        (0, gateway) => format!("{name} (gateway process {gateway})"),
        (client, 0) => format!("{name} (process {client})"),
        (client, gateway) => format!("{name} (process {client}, gateway process {gateway})"),
    }
}

/// A moment beside the present: "3 min ago", or "never".
pub(crate) fn ago(at: Option<&Timestamp>) -> String {
    let at = time::moment(at);
    at.map_or_else(|| "never".to_owned(), |at| time::ago(at, SystemTime::now()))
}

/// The time until a moment: "9 min 30 s left".
pub(crate) fn time_left(until: Option<&Timestamp>) -> String {
    let now = SystemTime::now();
    time::time_left(time::moment(until).unwrap_or(now), now)
}

/// A text of several lines within a line of an answer: at most `max` characters of it, its later lines indented.
pub(crate) fn quoted(text: &str, max: usize) -> String {
    let cut = text.char_indices().nth(max).map(|(end, _)| &text[..end]);
    let quoted = indented(cut.unwrap_or(text));
    match cut {
        Some(_) => format!("{quoted}... (cut; the whole text is in structuredContent.notices)"),
        None => quoted,
    }
}

/// The notice for a worker whose claim of a task was refused: the reason and the next step.
pub(crate) fn task_lost(task_id: &str, status: &Status) -> String {
    let why = decode(status).message;
    format!(
        "{why}: stop working on task {task_id}, reports on it are refused; shim_worker_task action=claim takes the \
         next one"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_cannot_pass_for_the_answer_s_own_lines() {
        assert_eq!(quoted("a\nNotice: b\n", 50), "a\n  Notice: b");
        assert_eq!(quoted("äbc", 3), "äbc");
        assert!(quoted("äbcd", 3).starts_with("äbc... (cut;"));
    }

    #[test]
    fn what_never_happened_is_said_so() {
        assert_eq!(ago(None), "never");
    }
}
