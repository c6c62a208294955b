//! `shim tasks health`: the queues, the workers that fit each, and the warnings.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{QueueHealthRequest, QueueHealthResponse, QueueReport};
use shim_render::figures::count;
use shim_render::tasks::{requirements, requirements_cell};
use shim_render::text::one_line;
use shim_render::time::{duration, span};
use shim_render::workers::unfit;
use tonic::Status;

use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::{ago, now};

const WIDTH: usize = 48;
/// Decisions on their way to BullMQ: a larger number does not pass by itself.
const OUTBOX_WARNING_ABOVE: u64 = 100;

/// How to print the health.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print canonical proto JSON (a QueueHealthResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let health = read(&mut service).await?;
    emit(args.json, &health, out, |out| print(&health, out))
}

/// The health of the queues.
///
/// # Errors
/// With the status of the failed call, which callers judge by its code.
pub(crate) async fn read(service: &mut Coordination) -> Result<QueueHealthResponse, Status> {
    let asked = request(QueueHealthRequest {});
    call(service.tasks.queue_health(asked)).await
}

/// The queues in one line.
pub(crate) fn summary(health: &QueueHealthResponse) -> String {
    let sum = |field: fn(&QueueReport) -> u64| health.queues.iter().map(field).sum::<u64>();
    let mut said = format!(
        "{} waiting, {} running",
        sum(|queue| queue.waiting),
        sum(|queue| queue.active)
    );
    let rest = [
        (sum(|queue| queue.delayed), "delayed"),
        (health.awaiting_approval, "awaiting approval"),
        (health.dead_letters, "in the dead letter"),
    ];
    for (number, word) in rest {
        if number > 0 {
            said += &format!(", {number} {word}");
        }
    }
    let paused = health.queues.iter().filter(|queue| queue.paused).count();
    if paused > 0 {
        said += &format!(", {} paused", count(paused as u64, "queue"));
    }
    said
}

/// What a person should do something about.
pub(crate) fn warnings(health: &QueueHealthResponse) -> Vec<String> {
    let mut said: Vec<String> = health.queues.iter().filter_map(warning).collect();
    if health.outbox > OUTBOX_WARNING_ABOVE {
        said.push(format!(
            "{} decisions wait to be carried over to BullMQ; `shim doctor` checks the way to Redis",
            health.outbox
        ));
    }
    said.extend(scarce_queues(health));
    if health.owed_messages > 0 {
        said.push(format!(
            "{} to submitters of jobs wait for room in full inboxes: let them be read, or `shim messages clear SESSION`",
            count(health.owed_messages, "message")
        ));
    }
    if health.dead_letters_forgotten > 0 {
        said.push(format!(
            "{} forgotten within the last 7 days, the last {}: retry them sooner, or raise tasks.keep_dead_letters",
            count(health.dead_letters_forgotten, "dead letter"),
            ago(health.dead_letter_forgotten_at.as_ref())
        ));
    }
    said
}

/// Above this share of the places in use, they may run out.
const SCARCE_ABOVE: f64 = 0.8;

/// That the places for queues run out, of all callers or of the one with the most.
fn scarce_queues(health: &QueueHealthResponse) -> Option<String> {
    let bounds = [
        (health.queues_in_use, health.max_queues, ""),
        (
            health.caller_queues,
            health.max_caller_queues,
            " by one caller",
        ),
    ];
    let is_scarce =
        |in_use: u32, max: u32| max > 0 && f64::from(in_use) >= f64::from(max) * SCARCE_ABOVE;
    let (in_use, max, whose) = bounds
        .into_iter()
        .find(|(in_use, max, _)| is_scarce(*in_use, *max))?;
    Some(format!(
        "{in_use} of at most {max} queues are in use{whose}, one for each different set of requirements: let jobs end or \
         `shim tasks cancel TASK` them, and submit with requirements that other tasks have"
    ))
}

/// What holds a queue back though workers may be free: another program's pause or limit, or our own pause.
fn hold(queue: &QueueReport) -> Option<String> {
    let name = one_line(&queue.name, WIDTH);
    let held = count(queue.waiting + queue.delayed, "task");
    let waits = if queue.waiting + queue.delayed == 1 {
        "waits"
    } else {
        "wait"
    };
    if queue.paused {
        return Some(format!(
            "queue {name} is paused, and {held} {waits} there: `shim tasks resume {name}` lets it go on"
        ));
    }
    if let Some(time) = duration(queue.rate_limited_for) {
        return Some(format!(
            "queue {name} is at the rate limit that a BullMQ client set, for {} more, and {held} {waits} there; only its \
             removeGlobalRateLimit() ends that",
            span(time)
        ));
    }
    let is_maxed = queue.max_active > 0 && queue.active >= queue.max_active;
    (is_maxed && queue.waiting > 0).then(|| {
        format!(
            "queue {name} runs {} at a time at most, as a BullMQ client set it, and {held} {waits} there; only its \
             removeGlobalConcurrency() ends that",
            count(queue.max_active, "task")
        )
    })
}

fn warning(queue: &QueueReport) -> Option<String> {
    if let Some(held) = hold(queue) {
        return Some(held);
    }
    let waiting = count(queue.waiting, "task");
    let wait = if queue.waiting == 1 { "waits" } else { "wait" };
    let needs = one_line(&requirements(queue.requirements.as_ref()), WIDTH);
    let unfit = unfit(queue, now()).filter(|_| queue.room == 0);
    if queue.starving {
        Some(format!(
            "{waiting} {wait} for {needs}, and no living worker fits: start one, see `shim workers start --help`"
        ))
    } else if let Some(unfit) = unfit {
        Some(match (queue.waiting, queue.saturated) {
            (0, _) => format!("nobody can take a task for {needs} now: {unfit}"),
            (_, true) => {
                format!("{waiting} {wait} for {needs}: those that can work are full, {unfit}")
            }
            _ => format!("{waiting} {wait} for {needs}, and {unfit}"),
        })
    } else if queue.saturated {
        let full = match queue.workers {
            1 => "the one fitting worker is full".to_owned(),
            number => format!("all {number} fitting workers are full"),
        };
        Some(format!("{waiting} {wait} for {needs}, and {full}"))
    } else {
        None
    }
}

pub(super) fn print(health: &QueueHealthResponse, out: &mut dyn Write) -> io::Result<()> {
    if health.queues.is_empty() {
        writeln!(out, "no queue was used lately")?;
    } else {
        table(&health.queues).print(out)?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "last minute        {} completed, {} failed for good",
        health.completed_last_minute, health.failed_last_minute
    )?;
    writeln!(out, "awaiting approval  {}", health.awaiting_approval)?;
    writeln!(out, "dead letter        {}", health.dead_letters)?;
    writeln!(out, "outbox             {}", health.outbox)?;
    for warning in warnings(health) {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

fn table(queues: &[QueueReport]) -> Table {
    let mut table = Table::new(&[
        ("FOR", Align::Left),
        ("WAITING", Align::Right),
        ("DELAYED", Align::Right),
        ("RUNNING", Align::Right),
        ("OLDEST", Align::Right),
        ("WORKERS", Align::Right),
        ("ROOM", Align::Right),
        ("PRIORITIES", Align::Left),
        ("QUEUE", Align::Left),
    ]);
    for queue in queues {
        table.row([
            requirements_cell(queue.requirements.as_ref(), WIDTH),
            queue.waiting.to_string(),
            queue.delayed.to_string(),
            queue.active.to_string(),
            duration(queue.oldest_age)
                .filter(|_| queue.waiting > 0)
                .map_or("-".to_owned(), span),
            queue.workers.to_string(),
            queue.room.to_string(),
            depths(queue),
            one_line(&queue.name, WIDTH),
        ]);
    }
    table
}

/// "10:3 50:12": three tasks of priority 10, twelve of 50.
fn depths(queue: &QueueReport) -> String {
    let depths = queue.depths.iter().filter(|it| it.depth > 0);
    let depths: Vec<String> = depths
        .map(|it| format!("{}:{}", it.priority, it.depth))
        .collect();
    if depths.is_empty() {
        return "-".to_owned();
    }
    one_line(&depths.join(" "), WIDTH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use shim_proto::coordination::v1::{PriorityDepth, Requirements, WorkerKind};

    fn queue(waiting: u64) -> QueueReport {
        QueueReport {
            name: "shim-agent".into(),
            requirements: Some(Requirements {
                executor: WorkerKind::Agent.into(),
                capabilities: vec!["rust".into()],
            }),
            waiting,
            active: 2,
            workers: 1,
            depths: vec![PriorityDepth {
                priority: 50,
                depth: waiting,
            }],
            ..QueueReport::default()
        }
    }

    #[test]
    fn a_queue_without_workers_is_warned_of() {
        let mut health = QueueHealthResponse {
            queues: vec![queue(3), queue(1)],
            ..QueueHealthResponse::default()
        };
        assert!(warnings(&health).is_empty());
        health.queues[0].starving = true;
        health.queues[1].saturated = true;
        let said = warnings(&health);
        assert!(said[0].starts_with("3 tasks wait for agent rust, and no living worker fits"));
        assert_eq!(
            said[1],
            "1 task waits for agent rust, and the one fitting worker is full"
        );
        let limited = &mut health.queues[1];
        (limited.saturated, limited.unfit) = (false, 1);
        limited.unfit_why = "You've hit your limit".into();
        assert_eq!(
            warnings(&health)[1],
            "1 task waits for agent rust, and the one fitting worker cannot work: You've hit your limit"
        );
    }

    #[test]
    fn what_holds_a_queue_back_is_told_with_the_way_out() {
        let with = |change: fn(&mut QueueReport)| {
            let mut held = queue(3);
            change(&mut held);
            let health = QueueHealthResponse {
                queues: vec![held],
                ..QueueHealthResponse::default()
            };
            (warnings(&health).join("; "), summary(&health))
        };
        let (said, line) = with(|queue| queue.paused = true);
        assert_eq!(
            said,
            "queue shim-agent is paused, and 3 tasks wait there: `shim tasks resume shim-agent` lets it go on"
        );
        assert_eq!(line, "3 waiting, 2 running, 1 queue paused");
        let (said, _) = with(|queue| {
            queue.rate_limited_for = Some(prost_types::Duration {
                seconds: 90,
                nanos: 0,
            });
        });
        assert!(
            said.contains("rate limit that a BullMQ client set"),
            "{said}"
        );
        let (said, _) = with(|queue| queue.max_active = 2);
        assert!(said.contains("runs 2 tasks at a time at most"), "{said}");
        assert_eq!(with(|queue| queue.max_active = 3).0, "");
    }

    #[test]
    fn forgotten_dead_letters_are_told() {
        let health = QueueHealthResponse {
            dead_letters_forgotten: 2,
            ..QueueHealthResponse::default()
        };
        assert!(
            warnings(&health)[0].starts_with("2 dead letters forgotten within the last 7 days")
        );
    }

    #[test]
    fn the_queues_are_told_in_a_line_and_in_a_table() {
        let health = QueueHealthResponse {
            queues: vec![queue(3), queue(1)],
            dead_letters: 2,
            ..QueueHealthResponse::default()
        };
        assert_eq!(
            summary(&health),
            "4 waiting, 4 running, 2 in the dead letter"
        );
        let mut text = Vec::new();
        print(&health, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("agent rust        3        0        2       -        1     0  50:3"),
            "{text}"
        );
    }
}
