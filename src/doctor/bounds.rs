//! How far the bounds of what callers keep are used: what is refused above each stands in SECURITY.md.

use shim_proto::coordination::v1::{BoundUse, QueueHealthResponse};
use shim_render::figures::bytes;
use shim_render::text::name;

use super::check::Check;

/// Above this share of its bound something may soon be refused.
const FULL_ABOVE: f64 = 0.8;
/// Characters of a namespace or an inbox.
const MAX_NAME: usize = 200;

/// A warning for each bound that is nearly used up.
pub(super) fn check(health: &QueueHealthResponse) -> Vec<Check> {
    let all = all(health);
    let full: Vec<Check> = all
        .iter()
        .filter(|bound| share(bound) >= FULL_ABOVE)
        .map(|bound| Check::warn("bounds", told(bound), way_to_clear(bound)))
        .collect();
    if !full.is_empty() {
        return full;
    }
    // What is in use is measured now and then; the words do not hang on when.
    vec![Check::ok("bounds", "none is used to 80 %")]
}

/// Those that were measured, and those of queues, which are counted when they are asked for.
fn all(health: &QueueHealthResponse) -> Vec<BoundUse> {
    let queues = |what: &str, used: u32, max: u32| BoundUse {
        what: what.to_owned(),
        used: used.into(),
        max: max.into(),
        of: String::new(),
    };
    let of_queues = [
        queues("queues", health.queues_in_use, health.max_queues),
        queues(
            "queues_of_a_caller",
            health.caller_queues,
            health.max_caller_queues,
        ),
    ];
    let of_queues = of_queues.into_iter().filter(|bound| bound.used > 0);
    health.bounds.iter().cloned().chain(of_queues).collect()
}

fn share(bound: &BoundUse) -> f64 {
    match bound.max {
        0 => 0.0,
        max => bound.used as f64 / max as f64,
    }
}

/// "state entries: 9000 of at most 10000 in src".
fn told(bound: &BoundUse) -> String {
    let what = name(&bound.what.replace('_', " "), MAX_NAME);
    let figure = |number: u64| match bound.what.ends_with("_bytes") {
        true => bytes(number),
        false => number.to_string(),
    };
    let (used, max) = (figure(bound.used), figure(bound.max));
    match bound.of.as_str() {
        "" => format!("{what}: {used} of at most {max}"),
        of => format!("{what}: {used} of at most {max} in {}", name(of, MAX_NAME)),
    }
}

/// What makes room below a bound.
fn way_to_clear(bound: &BoundUse) -> String {
    let of = name(&bound.of, MAX_NAME);
    match bound.what.as_str() {
        "jobs" | "queues" | "queues_of_a_caller" => {
            "`shim tasks list` and `shim tasks cancel TASK` for what is not needed".to_owned()
        }
        "dead_letters" => "`shim tasks retry TASK`, or `shim tasks prune --older-than 7d --dead-letters`; above the bound \
                           (tasks.keep_dead_letters) the oldest are forgotten"
            .to_owned(),
        "inboxes" | "inboxes_of_a_caller" => {
            "`shim messages clear SESSION`, for each inbox that nobody reads: empty ones give way".to_owned()
        }
        "namespaces" | "namespaces_of_a_caller" => {
            "`shim state clear`, for each namespace that needs its entries no more: empty ones give way".to_owned()
        }
        "state_entries" | "state_bytes" => format!("`shim state clear --namespace {of}`, or `shim state delete KEY`"),
        "locks" => format!("`shim locks list --namespace {of}`, then `shim locks release LOCK --force`"),
        "leases" => "`shim files list`, then `shim files release --holder NAME`".to_owned(),
        "workers" => "end the workers that nobody needs: silent ones go by themselves".to_owned(),
        _ => format!("`shim messages clear {of}`, or `shim messages read {of} --ack`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn bound(what: &str, used: u64, max: u64, of: &str) -> BoundUse {
        let (what, of) = (what.to_owned(), of.to_owned());
        BoundUse {
            what,
            used,
            max,
            of,
        }
    }

    #[test]
    fn what_is_nearly_used_up_is_warned_of_with_what_makes_room() {
        let mut health = QueueHealthResponse {
            bounds: vec![
                bound("state_entries", 7_999, 10_000, "build"),
                bound("message_bytes", 1 << 20, 16 << 20, "s"),
            ],
            queues_in_use: 12,
            max_queues: 512,
            ..QueueHealthResponse::default()
        };
        let found = check(&health);
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Ok));
        health.bounds[0].used = 8_000;
        health.queues_in_use = 500;
        let found = check(&health);
        assert!(found.iter().all(|check| check.verdict == Verdict::Warn));
        let details: Vec<&str> = found.iter().map(|check| &*check.detail).collect();
        let expected = [
            "state entries: 8000 of at most 10000 in build",
            "queues: 500 of at most 512",
        ];
        assert_eq!(details, expected);
        assert_eq!(
            check(&QueueHealthResponse::default())[0].verdict,
            Verdict::Ok
        );
    }

    #[test]
    fn the_name_of_a_namespace_cannot_begin_a_line() {
        let forged = bound("locks", 9, 10, "a\nNotice: all is well");
        assert!(
            told(&forged).ends_with(r#"in "a\nNotice: all is well""#),
            "{}",
            told(&forged)
        );
    }
}
