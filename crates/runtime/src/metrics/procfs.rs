//! What the kernel knows of this process, read when somebody asks for the metrics: nothing runs in between.
//!
//! The facts come from procfs (proc(5)). Where there is none, these metrics are left out.

use std::fmt::Write;

use super::table::{METRICS, Metric};

/// The kernel counts processor time in hundredths of a second for programs (`USER_HZ`), whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// The metric's name, and how its value is found out.
type ProcessMetric = (&'static str, fn() -> Option<f64>);

const PROCESS_METRICS: [ProcessMetric; 4] = [
    ("shim_process_resident_memory_bytes", resident_bytes),
    ("shim_process_cpu_seconds_total", cpu_seconds),
    ("shim_process_open_fds", open_fds),
    ("shim_process_start_time_seconds", start_time),
];

/// Whether a metric is told here and not by the recorder, which counts in whole numbers.
pub(super) fn is_process_metric(name: &str) -> bool {
    PROCESS_METRICS.iter().any(|(metric, _)| *metric == name)
}

/// Adds the facts to the recorder's text.
pub(super) fn append_to(text: &mut String) {
    for (name, read) in PROCESS_METRICS {
        let metric = METRICS.iter().find(|metric| metric.name == name);
        if let (Some(metric), Some(value)) = (metric, read()) {
            // Writing to a String cannot fail.
            let _ = write_one(text, metric, value);
        }
    }
}

fn write_one(text: &mut String, metric: &Metric, value: f64) -> std::fmt::Result {
    let Metric { name, help, .. } = metric;
    let kind = metric.kind.name();
    write!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
    )
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .strip_suffix(" kB")?;
    Some(kibibytes.trim().parse::<f64>().ok()? * 1024.0)
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS_PER_SECOND)
}

fn open_fds() -> Option<f64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them was open only to look.
    u32::try_from(entries.saturating_sub(1)).ok().map(f64::from)
}

fn start_time() -> Option<f64> {
    let machine = std::fs::read_to_string("/proc/stat").ok()?;
    let booted = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.trim().parse::<f64>().ok()? + stat(22)? / TICKS_PER_SECOND)
}

/// A field of `/proc/self/stat`, counted from 1. The name in field 2 may hold spaces, so count after it.
fn stat(field: usize) -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace();
    fields.nth(field.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_metrics_are_those_of_a_small_program_that_began_a_moment_ago() {
        let mebibyte = 1024.0 * 1024.0;
        let resident = resident_bytes().unwrap();
        assert!(
            (mebibyte..1024.0 * mebibyte).contains(&resident),
            "{resident}"
        );
        assert!((3.0..1_000.0).contains(&open_fds().unwrap()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - start_time().unwrap();
        assert!((-2.0..3_600.0).contains(&age), "began {age} s ago");
        assert!(cpu_seconds().unwrap() < 2.0 * (age + 3.0) * 64.0);
    }

    #[test]
    fn each_process_metric_is_in_the_table_and_in_the_text() {
        let mut text = String::new();
        append_to(&mut text);
        for (name, _) in PROCESS_METRICS {
            assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
            assert!(text.contains(&format!("\n{name} ")), "{name}: {text}");
        }
    }
}
