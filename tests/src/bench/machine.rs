//! Whether the machine is quiet enough for figures to mean anything. Another program that syncs the same disk can make
//! a raw commit ten times slower and so flatter whatever stands beside it.

use std::time::Duration;

use super::figure::Figure;

const SAMPLE: Duration = Duration::from_secs(2);
const QUIET: f64 = 0.9;

/// The share of idle processor time, before anything is measured.
pub(super) async fn idle_share(area: &str) -> Figure {
    let before = ticks();
    tokio::time::sleep(SAMPLE).await;
    let after = ticks();
    let (idle, all) = (after.0 - before.0, after.1 - before.1);
    let share = if all > 0.0 { idle / all } else { f64::NAN };
    let name = format!("machine idle before the {area} figures (else they are not to be trusted)");
    Figure::new(name, share, "share").target(&format!(">= {QUIET}"), share >= QUIET)
}

/// Idle and all ticks of all processors since the start: the first line of proc(5) stat, time waiting for the disk
/// counted as busy.
fn ticks() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|n| n.parse().ok())
        .collect();
    (
        ticks.get(3).copied().unwrap_or_default(),
        ticks.iter().sum(),
    )
}

/// What all threads of a process have computed since its start, user and kernel together, in steps of 10 ms: proc(5)
/// counts in hundredths of a second on every Linux that Rust's first tier knows.
pub(super) fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, behind_the_name) = stat.rsplit_once(')').expect("the name is in parentheses");
    let fields = behind_the_name.split_ascii_whitespace();
    let hundredths: u64 = fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("ticks are whole"))
        .sum();
    Duration::from_millis(hundredths * 10)
}
