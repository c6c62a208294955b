//! Phrases that only the gateway says: moments beside this process's clock, clients, quoted texts and lost tasks.

use std::time::SystemTime;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::{ClientInfo, ProcessIdentity};
use shim_render::page::Page;
use shim_render::text::{self, QUOTE};
use shim_render::time;
use shim_runtime::service_error::decode;
use tonic::Status;

const MAX_CLIENT_CHARACTERS: usize = 200;

/// A client's name and processes, as far as they are known. Two gateways may serve one client, so its gateway is named, too.
pub(crate) fn client(client: Option<&ClientInfo>) -> String {
    let Some(client) = client.filter(|client| !client.name.is_empty()) else {
        return "another client".to_owned();
    };
    let pid = |process: Option<ProcessIdentity>| process.map_or(0, |process| process.pid);
    let name = text::one_line(&client.name, MAX_CLIENT_CHARACTERS);
    match (pid(client.client_process), pid(client.gateway_process)) {
        (0, 0) => name,
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

/// A foreign text under a name of ours: at most `max` characters of it, and said if that is not all.
pub(crate) fn write_field(page: &mut Page, name: &str, foreign: &str, max: usize) {
    match foreign.char_indices().nth(max) {
        None => page.field(name, foreign),
        Some((end, _)) => {
            page.field(name, &foreign[..end]);
            let all = foreign.chars().count();
            page.line(format_args!("(cut: {max} of {all} characters)"));
        }
    }
}

/// A notice of an answer. Its first line is ours; what follows is set off, if it is not already.
pub(crate) fn write_notice(page: &mut Page, notice: &str, max: usize) {
    let cut = notice
        .char_indices()
        .nth(max)
        .map(|(end, _)| &notice[..end]);
    let mut lines = cut.unwrap_or(notice).split('\n');
    page.line(format_args!("Notice: {}", lines.next().unwrap_or_default()));
    for line in lines {
        page.quote(line.strip_prefix(QUOTE).unwrap_or(line));
    }
    if cut.is_some() {
        page.line("(cut; the whole text is in structuredContent.notices)");
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
    fn notices_cannot_pass_for_the_answer_s_own_lines() {
        let written = |notice: &str, max| {
            let mut page = Page::default();
            write_notice(&mut page, notice, max);
            page.to_string()
        };
        assert_eq!(
            written("a\nNotice: b\n> c", 50),
            "Notice: a\n> Notice: b\n> c"
        );
        assert_eq!(
            written("a\u{2028}Notice: b", 50),
            "Notice: a\\u{2028}Notice: b"
        );
        assert_eq!(written("äbc", 3), "Notice: äbc");
        assert!(written("äbcd", 3).starts_with("Notice: äbc\n(cut;"));
    }

    #[test]
    fn a_long_text_says_how_much_of_it_is_there() {
        let mut page = Page::default();
        write_field(&mut page, "Goal", "abcdef", 4);
        assert_eq!(page.as_str(), "Goal: abcd\n(cut: 4 of 6 characters)");
    }

    #[test]
    fn what_never_happened_is_said_so() {
        assert_eq!(ago(None), "never");
    }
}
