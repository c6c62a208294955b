//! What `shim tasks submit` takes about how a job ends: results, tries, limits, gates.

use std::time::Duration;

use shim_proto::coordination::v1::ApprovalGates;
use shim_proto::limits::task::{MAX_ATTEMPTS, MAX_COST_USD};

use super::labels::{Merging, OnFailure};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How it ends")]
pub(super) struct OutcomeArgs {
    /// How the results of its parts become one [default: concatenate]
    #[arg(long, value_enum)]
    pub(super) merge: Option<Merging>,
    /// What happens to the rest when a part failed for good [default: fail-fast]
    #[arg(long, value_enum)]
    pub(super) on_failure: Option<OnFailure>,
    /// How often each task may be tried, 1 to 20 [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ATTEMPTS)))]
    pub(super) max_attempts: Option<u32>,
    /// The pause after the first failure, doubled after each [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) backoff: Option<Duration>,
    /// How long one attempt may take, 1s to 12h [default: 5m with an executor, no limit in a chat]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// What all attempts of each task may cost together, in US dollars; an agent is stopped at it [default: no bound]
    #[arg(long, value_name = "USD", value_parser = budget)]
    pub(super) max_budget: Option<f64>,
    /// Nobody starts it before `shim tasks approve`
    #[arg(long)]
    approve_start: bool,
    /// Its result counts after `shim tasks approve`
    #[arg(long)]
    approve_result: bool,
}

impl OutcomeArgs {
    /// The gates that were asked for.
    pub(super) fn gates(&self) -> Option<ApprovalGates> {
        (self.approve_start || self.approve_result).then_some(ApprovalGates {
            before_start: self.approve_start,
            before_result: self.approve_result,
        })
    }
}

/// US dollars, as the contract takes them.
fn budget(typed: &str) -> Result<f64, String> {
    let dollars = typed.trim_start_matches('$').parse::<f64>();
    let dollars = dollars.ok().filter(|it| *it > 0.0 && *it <= MAX_COST_USD);
    dollars.ok_or_else(|| {
        format!("write US dollars, more than 0 and at most {MAX_COST_USD}, such as 2.50")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_an_amount_of_dollars() {
        assert_eq!(budget("2.50"), Ok(2.5));
        assert_eq!(budget("$3"), Ok(3.0));
        for wrong in ["", "0", "-1", "NaN", "inf", "1e9", "2,5", "two"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }
}
