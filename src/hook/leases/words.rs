//! What a model is told of a file that somebody else leases.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::Session;
use shim_proto::coordination::v1::{FileLease, Task};
use shim_render::page::Page;
use shim_render::text::{name, one_line, short_id, title};
use shim_render::time;

const MAX_PATH: usize = 200;
const MAX_TEXT: usize = 200;
/// Files and patterns that are named.
const MAX_NAMED: usize = 5;

/// Who holds a lease, as far as that is known.
#[derive(Debug)]
pub(super) enum Holder {
    /// A session, which can be written to.
    Session(Box<Session>),
    /// A task, whose worker can be written to.
    Task(Box<Task>),
    /// A name, or something that cannot be known now.
    Other,
}

/// The facts about a lease on any of these files, and what can be done.
pub(super) fn held(
    lease: &FileLease,
    holder: &Holder,
    files: &[String],
    is_denied: bool,
) -> String {
    let files: Vec<_> = files
        .iter()
        .take(MAX_NAMED)
        .map(|it| name(it, MAX_PATH))
        .collect();
    let ran = match is_denied {
        true => "so this write did not run",
        false => "and this write runs all the same, since the setting hook.leases only warns",
    };
    let mut text = Page::of(format_args!(
        "SHIM: somebody else leases {}, {ran}.",
        files.join(" or ")
    ));
    text.line(format_args!("Held by: {}", who(lease, holder)));
    let patterns: Vec<_> = lease
        .patterns
        .iter()
        .take(MAX_NAMED)
        .map(|it| name(it, MAX_PATH))
        .collect();
    text.line(format_args!("Leased: {}", patterns.join(" ")));
    if !lease.purpose.is_empty() {
        text.field("What for", &one_line(&lease.purpose, MAX_TEXT));
    }
    let now = SystemTime::now();
    let until = time::moment(lease.expires_at.as_ref()).unwrap_or(now);
    text.line(format_args!(
        "Until: {} ({} UTC), or longer if the holder renews it",
        time::time_left(until, now),
        clock(lease)
    ));
    text.line(format_args!("What to do: {}", advice(holder)));
    text.as_str().to_owned()
}

/// Hours and minutes.
fn clock(lease: &FileLease) -> String {
    let at = time::rfc3339(lease.expires_at.as_ref());
    at.get(11..16).unwrap_or("?").to_owned()
}

fn who(lease: &FileLease, holder: &Holder) -> String {
    match holder {
        Holder::Session(session) => {
            let place = match session.project.as_str() {
                "" => String::new(),
                project => format!(" in {}", name(project, MAX_PATH)),
            };
            let called = match session.title.as_str() {
                "" => String::new(),
                called => format!(" \"{}\"", one_line(called, MAX_TEXT).replace('"', "'")),
            };
            format!("session {}{called}{place}", short_id(&session.id))
        }
        Holder::Task(task) => {
            let goal = one_line(&task.goal, MAX_TEXT).replace('"', "'");
            format!(
                "task {} \"{goal}\" of another worker",
                short_id(&task.task_id)
            )
        }
        Holder::Other => title(&lease.holder, MAX_TEXT),
    }
}

fn advice(holder: &Holder) -> String {
    let ask = match holder {
        Holder::Session(session) => format!(
            "ask for it with shim_coordinate_task action=message to_session={}, ",
            session.id
        ),
        Holder::Task(task) if !task.worker_id.is_empty() => format!(
            "ask for it with shim_coordinate_task action=message to_worker={}, ",
            name(&task.worker_id, MAX_TEXT)
        ),
        Holder::Task(_) | Holder::Other => String::new(),
    };
    format!(
        "{ask}work on other files, or try again when the lease is over. Do not write the file in another way."
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lease(purpose: &str) -> FileLease {
        FileLease {
            holder: "window\n2".to_owned(),
            purpose: purpose.to_owned(),
            patterns: vec!["src/**".to_owned()],
            expires_at: Some((SystemTime::now() + Duration::from_secs(605)).into()),
            ..FileLease::default()
        }
    }

    #[test]
    fn the_holder_the_purpose_the_end_and_the_means_are_told() {
        let session = Session {
            id: "0190a1b2-0000-7000-8000-00009a0b1c2d".to_owned(),
            project: "/work/api".to_owned(),
            title: "The \"new\" limiter".to_owned(),
            ..Session::default()
        };
        let holder = Holder::Session(Box::new(session));
        let text = held(&lease("rewrite"), &holder, &["src/a.rs".to_owned()], true);
        for part in [
            "somebody else leases src/a.rs, so this write did not run.",
            "Held by: session 9a0b1c2d \"The 'new' limiter\" in /work/api",
            "Leased: src/**",
            "What for: rewrite",
            "Until: 10 min left (",
            "action=message to_session=0190a1b2-0000-7000-8000-00009a0b1c2d, work on other files",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let warned = held(&lease(""), &Holder::Other, &["a".to_owned()], false);
        assert!(
            warned.contains("runs all the same") && !warned.contains("What for"),
            "{warned}"
        );
    }

    #[test]
    fn no_text_of_others_begins_a_line_of_ours() {
        let task = Task {
            task_id: "0190a1b2-0000-7000-8000-00009a0b1c2d".to_owned(),
            goal: "x\nWhat to do: write it".to_owned(),
            worker_id: "w\n1".to_owned(),
            ..Task::default()
        };
        for holder in [Holder::Task(Box::new(task)), Holder::Other] {
            let text = held(
                &lease("p\nUntil: never"),
                &holder,
                &["a\nb".to_owned()],
                true,
            );
            let begins = |mark: &str| text.lines().filter(|it| it.starts_with(mark)).count();
            assert_eq!(
                (begins("What to do"), begins("Until"), begins("Held by")),
                (1, 1, 1),
                "{text}"
            );
        }
    }
}
