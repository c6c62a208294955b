//! Phrases that only the gateway says: moments beside this process's clock, clients, quoted texts and lost tasks.

use std::time::SystemTime;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::ClientInfo;
use shim_render::text::indented;
use shim_render::time;
use shim_runtime::service_error::decode;
use tonic::Status;

/// A client's name and process, as far as they are known.
pub(crate) fn client(client: Option<&ClientInfo>) -> String {
    match client {
        Some(client) if !client.name.is_empty() => match &client.client_process {
            Some(process) if process.pid > 0 => {
                format!("{} (process {})", client.name, process.pid)
            }
            _ => client.name.clone(),
        },
        _ => "another client".to_owned(),
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
