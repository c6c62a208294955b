//! Mixed load for an hour at half the rate that a short ramp finds: saves, tasks, state, locks, messages, hook signals of
//! dying clients. Each minute is looked at: memory and open files of each process, the size of the folder, keys of Redis by
//! kind, latencies. What must not grow is fitted by a line.

mod fit;
mod load;
mod look;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use shim_redis_harness::Redis;

use super::curves::{Curve, Line, write_curve};
use crate::service::Launch;
use crate::temp_env::TempEnv;
use load::Load;

/// From here on everything must be flat.
const WARM_MINUTES: u32 = 10;
/// What a value may change from the warm minute to the last, as a share of it.
const FLAT: f64 = 0.02;
const RAMP: Duration = Duration::from_secs(10);

/// One run.
#[derive(Debug, Serialize)]
pub struct Soak {
    /// Rounds of mixed calls a second, as held.
    pub rate: f64,
    /// The first minute that is judged.
    pub from_minute: u32,
    /// Each value by minute, minute 1 first.
    pub values: BTreeMap<String, Vec<f64>>,
}

/// A value that is not flat.
#[derive(Debug, Serialize)]
pub struct Growth {
    /// Its name, with its unit.
    pub name: String,
    /// Its change over the judged minutes, as a share of the fitted first value.
    pub share: f64,
}

impl Soak {
    /// What grew by more than 2 %. Latencies are shown but not judged: a disk has slow minutes. So is what history is made
    /// of (`kept`): saves that nobody asked to delete.
    #[must_use]
    pub fn growing(&self) -> Vec<Growth> {
        let first = usize::try_from(self.from_minute).unwrap_or(usize::MAX);
        let judged = self
            .values
            .iter()
            .filter(|(name, _)| !name.starts_with("latency") && !name.starts_with("kept"));
        let growths = judged.filter_map(|(name, values)| {
            let share = fit::growth(values.get(first..)?)?;
            (share > FLAT).then(|| Growth {
                name: name.clone(),
                share,
            })
        });
        growths.collect()
    }
}

/// Runs for `minutes` of `minute_seconds`.
///
/// # Panics
/// If the stack does not start or refuses good requests.
pub async fn measure(minutes: u32, minute_seconds: u32, progress: impl Fn(&str)) -> Soak {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let launch = Launch::stack(&temp.data_dir(), &redis.unix_url());
    let service = launch.start_or_panic().await;
    let mut load = Load::open(&service).await;
    progress("the ramp");
    let sustainable = load.ramp(RAMP).await;
    let rate = sustainable / 2.0;
    progress(&format!("{rate:.1} rounds a second for {minutes} minutes"));
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let minute = Duration::from_secs(u64::from(minute_seconds));
    for number in 1..=minutes {
        let latencies = load.hold(rate, minute).await;
        let seen = look::look(&service, &redis, &temp.data_dir());
        for (name, value) in latencies.into_iter().chain(seen) {
            let row = values.entry(name).or_default();
            // A kind of key that comes late had none before.
            row.resize(usize::try_from(number - 1).unwrap_or(0), 0.0);
            row.push(value);
        }
        progress(&format!("minute {number} of {minutes}"));
    }
    Soak {
        rate,
        from_minute: WARM_MINUTES.min(minutes / 3),
        values,
    }
}

/// Prints each value at the first judged minute and at the last, and what grows.
///
/// # Errors
/// If `out` cannot be written.
pub fn print_soak(out: &mut impl Write, soak: &Soak) -> io::Result<()> {
    let first = usize::try_from(soak.from_minute).unwrap_or(usize::MAX);
    let minute = first + 1;
    writeln!(
        out,
        "{:44} {:>14} {:>14}",
        "value",
        format!("minute {minute}"),
        "last"
    )?;
    for (name, values) in &soak.values {
        let at = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        let (from, to) = (at(values.get(first)), at(values.last()));
        writeln!(out, "{name:44} {from:>14.2} {to:>14.2}")?;
    }
    for growth in soak.growing() {
        let percent = growth.share * 100.0;
        writeln!(
            out,
            "grows: {} by {percent:.1} % since minute {minute}",
            growth.name
        )?;
    }
    Ok(())
}

/// Writes `<target>/bench/soak.json`, and a picture of each value over the minutes.
///
/// # Errors
/// If a file cannot be written.
pub fn write_soak(target_dir: &Path, soak: &Soak) -> io::Result<()> {
    let folder = target_dir.join("bench");
    std::fs::create_dir_all(&folder)?;
    let text = serde_json::to_vec_pretty(&(soak, soak.growing()))?;
    std::fs::write(folder.join("soak.json"), text)?;
    let lines = soak.values.iter().map(|(name, values)| Line {
        cost: name.clone().into(),
        unit: "",
        points: (1..).map(f64::from).zip(values.iter().copied()).collect(),
    });
    let curve = Curve {
        name: "soak",
        size: "minute",
        lines: lines.collect(),
    };
    write_curve(target_dir, &curve)
}
