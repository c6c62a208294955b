//! When a round strikes.

use std::time::Duration;

use super::calls::Activity;
use super::victims::Victim;
use crate::rng::SeededRng;

/// Between two looks for a program.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// How long after a program was seen, in microseconds: a git lives for some milliseconds.
const SHORT_MICROS: std::ops::Range<u64> = 0..8_000;
const LONG_MICROS: std::ops::Range<u64> = 0..200_000;
/// npm takes so long at least, with all packages in its cache.
const INSTALLATION: Duration = Duration::from_secs(8);

/// A moment of a call.
#[derive(Debug)]
pub(super) struct Moment {
    /// How long after the call began.
    after: Duration,
    /// The program that must run then; `None` if whatever does.
    program: Option<Victim>,
    /// How long after that was seen.
    then: Duration,
}

impl Moment {
    /// A moment at which `victim` can be struck in a call that usually takes so long.
    pub(super) fn pick(
        rng: &mut SeededRng,
        activity: Activity,
        victim: Victim,
        usual: Duration,
    ) -> Self {
        let usual = match activity {
            // It was measured with the tools in place.
            Activity::Install => usual.max(INSTALLATION),
            _ => usual,
        };
        let micros = u64::try_from(usual.as_micros()).unwrap_or(u64::MAX);
        let whole = 0..micros.max(10_000);
        let program = match victim {
            _ if activity == Activity::ApproveEndless => Some(Victim::TestRunner),
            Victim::Service | Victim::Client if rng.one_in(2) => None,
            // The moments that matter most are those of a program of the call.
            Victim::Service | Victim::Client => {
                let programs = &activity.victims()[2..];
                Some(*rng.pick(programs))
            }
            program => Some(program),
        };
        // A program comes again and again, or late: some calls are looked at from their beginning.
        let after = match program {
            Some(_) if activity == Activity::ApproveEndless => Duration::ZERO,
            Some(_) if !rng.one_in(3) => Duration::ZERO,
            _ => rng.micros(whole),
        };
        let is_short = matches!(program, Some(Victim::Git | Victim::Oxlint));
        let then = match program {
            None => Duration::ZERO,
            Some(_) if is_short => rng.micros(SHORT_MICROS),
            Some(_) => rng.micros(LONG_MICROS),
        };
        Self {
            after,
            program,
            then,
        }
    }

    /// Waits for the moment; `false` if the call ends before.
    pub(super) async fn wait(&self, service: u32, is_over: impl Fn() -> bool) -> bool {
        tokio::time::sleep(self.after).await;
        if let Some(program) = self.program {
            while program.living(service).is_empty() {
                if is_over() {
                    return false;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            tokio::time::sleep(self.then).await;
        }
        !is_over()
    }
}
