//! The risk of losing a session, judged from what its client measured.
//!
//! (A) Risk is the sum of three weights: tokens, age of the last checkpoint, memory. (B) Zones stand beside it and
//! add nothing to the sum. (C) Danger: risk >= 0.7, context in its danger zone, or two danger factors. Warning: one
//! factor raised or risk >= 0.3. (D) Every factor that could be measured is listed, raised or not.

use std::time::Duration;

use shim_proto::checkpoint::v1::{RiskAssessment, RiskFactor, RiskLevel, Signals};

use shim_sqlite::UnixMicros;

const DANGER_RISK: f64 = 0.7;
const WARNING_RISK: f64 = 0.3;
const DANGER_FACTORS: usize = 2;
/// 0.3 + 0.4 misses 0.7 by a rounding error.
const ROUNDING: f64 = 1e-9;

/// The limits; pairs are (warning, danger).
#[derive(Debug, Clone)]
pub struct RiskLimits {
    /// Tokens in the context above which the risk grows by `tokens_weight`. A known window overrules it: below the warning
    /// zone of the context they are no risk.
    pub tokens: f64,
    /// See `tokens`.
    pub tokens_weight: f64,
    /// Age of the last checkpoint in milliseconds above which the risk grows by `checkpoint_age_weight`.
    pub checkpoint_age_ms: f64,
    /// See `checkpoint_age_ms`.
    pub checkpoint_age_weight: f64,
    /// Memory use of the machine, 0..1, above which the risk grows by `memory_weight`.
    pub memory: f64,
    /// See `memory`.
    pub memory_weight: f64,
    /// Share of the context window in use.
    pub context: (f64, f64),
    /// Messages in the conversation.
    pub messages: (f64, f64),
    /// Age of the session in minutes.
    pub session_minutes: (f64, f64),
    /// Tool calls since the last checkpoint.
    pub tool_calls: (f64, f64),
    /// Failed tool calls over all.
    pub failure_rate: (f64, f64),
    /// Latency over the mean of the snapshots before.
    pub latency_growth: (f64, f64),
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            tokens: 150_000.0,
            tokens_weight: 0.3,
            checkpoint_age_ms: 480_000.0,
            checkpoint_age_weight: 0.4,
            memory: 0.8,
            memory_weight: 0.3,
            context: (0.60, 0.75),
            messages: (35.0, 50.0),
            session_minutes: (60.0, 90.0),
            tool_calls: (10.0, 15.0),
            failure_rate: (0.15, 0.20),
            latency_growth: (2.0, 4.0),
        }
    }
}

/// What the store knows of the session beside the signals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RiskHistory {
    /// When the session was opened.
    pub(crate) opened_at: UnixMicros,
    /// When it was last saved; `None` before the first checkpoint.
    pub(crate) last_checkpoint: Option<UnixMicros>,
    /// The count of tool calls when it was last saved.
    pub(crate) tool_calls_at_checkpoint: u64,
    /// Mean latency of the snapshots before, in milliseconds; `None` with too few.
    pub(crate) mean_latency_ms: Option<f64>,
}

/// Judges a session.
pub(crate) fn assess(
    limits: &RiskLimits,
    signals: &Signals,
    history: &RiskHistory,
    now: UnixMicros,
) -> RiskAssessment {
    let mut factors = weighted_factors(limits, signals, history, now);
    factors.extend(zoned_factors(limits, signals, history, now));
    let risk = factors
        .iter()
        .filter(|f| is_raised(f))
        .map(|f| f.weight)
        .sum::<f64>()
        .min(1.0);
    RiskAssessment {
        risk,
        level: level(risk, &factors).into(),
        factors,
        assessed_at: Some(now.into()),
    }
}

/// The values measured now, and for those left out the last ones.
pub(crate) fn merged(measured: Signals, previous: &Signals) -> Signals {
    Signals {
        estimated_tokens: measured.estimated_tokens.or(previous.estimated_tokens),
        context_window: measured.context_window.or(previous.context_window),
        message_count: measured.message_count.or(previous.message_count),
        tool_calls: measured.tool_calls.or(previous.tool_calls),
        tool_failures: measured.tool_failures.or(previous.tool_failures),
        response_latency_ms: measured
            .response_latency_ms
            .or(previous.response_latency_ms),
        memory: measured.memory.or(previous.memory),
    }
}

fn level(risk: f64, factors: &[RiskFactor]) -> RiskLevel {
    let in_danger = |f: &&RiskFactor| f.zone() == RiskLevel::Danger;
    let context_in_danger = factors.iter().any(|f| f.name == "context" && in_danger(&f));
    if risk + ROUNDING >= DANGER_RISK
        || context_in_danger
        || factors.iter().filter(in_danger).count() >= DANGER_FACTORS
    {
        RiskLevel::Danger
    } else if risk + ROUNDING >= WARNING_RISK || factors.iter().any(is_raised) {
        RiskLevel::Warning
    } else {
        RiskLevel::Safe
    }
}

fn is_raised(factor: &RiskFactor) -> bool {
    factor.zone() != RiskLevel::Safe
}

fn weighted_factors(
    limits: &RiskLimits,
    signals: &Signals,
    history: &RiskHistory,
    now: UnixMicros,
) -> Vec<RiskFactor> {
    let unsaved_since = history.last_checkpoint.unwrap_or(history.opened_at);
    let age_ms = now.since(unsaved_since).as_secs_f64() * 1_000.0;
    let tokens = signals.estimated_tokens.map(|tokens| tokens as f64);
    let memory = signals.memory.as_ref().map(|memory| memory.pressure);
    [
        weighted(
            "tokens",
            "tokens",
            tokens,
            tokens_limit(limits, signals.context_window),
            limits.tokens_weight,
        ),
        weighted(
            "checkpoint_age",
            "ms",
            Some(age_ms),
            limits.checkpoint_age_ms,
            limits.checkpoint_age_weight,
        ),
        weighted(
            "memory",
            "ratio",
            memory,
            limits.memory,
            limits.memory_weight,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The limit of tokens: of a window that is known, at least where the context's warning zone begins.
fn tokens_limit(limits: &RiskLimits, window: Option<u64>) -> f64 {
    let warning = window.map_or(0.0, |window| window as f64 * limits.context.0);
    limits.tokens.max(warning)
}

/// A factor of the sum: above its limit it adds its weight and warns.
fn weighted(
    name: &str,
    unit: &str,
    value: Option<f64>,
    limit: f64,
    weight: f64,
) -> Option<RiskFactor> {
    let value = value?;
    let zone = if value > limit {
        RiskLevel::Warning
    } else {
        RiskLevel::Safe
    };
    Some(RiskFactor {
        name: name.into(),
        value,
        limit,
        unit: unit.into(),
        zone: zone.into(),
        weight,
    })
}

fn zoned_factors(
    limits: &RiskLimits,
    signals: &Signals,
    history: &RiskHistory,
    now: UnixMicros,
) -> Vec<RiskFactor> {
    let calls_since = signals
        .tool_calls
        .map(|calls| calls.saturating_sub(history.tool_calls_at_checkpoint) as f64);
    let latency = match (signals.response_latency_ms, history.mean_latency_ms) {
        (Some(latency), Some(mean)) if mean > 0.0 => Some(latency / mean),
        _ => None,
    };
    let context = ratio(signals.estimated_tokens, signals.context_window);
    let failure_rate = ratio(signals.tool_failures, signals.tool_calls);
    let messages = signals.message_count.map(|n| n as f64);
    let minutes = minutes(now.since(history.opened_at));
    [
        zoned("context", "ratio", context, limits.context),
        zoned("messages", "count", messages, limits.messages),
        zoned(
            "session_age",
            "minutes",
            Some(minutes),
            limits.session_minutes,
        ),
        zoned("tool_calls", "count", calls_since, limits.tool_calls),
        zoned("failure_rate", "ratio", failure_rate, limits.failure_rate),
        zoned("latency_growth", "ratio", latency, limits.latency_growth),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A share, if both counts were measured and the whole is not 0.
fn ratio(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    let whole = whole.filter(|whole| *whole > 0)?;
    Some(part? as f64 / whole as f64)
}

fn minutes(span: Duration) -> f64 {
    span.as_secs_f64() / 60.0
}

/// A factor that only sets a zone.
fn zoned(
    name: &str,
    unit: &str,
    value: Option<f64>,
    (warning, danger): (f64, f64),
) -> Option<RiskFactor> {
    let value = value?;
    let (zone, limit) = if value >= danger {
        (RiskLevel::Danger, danger)
    } else if value >= warning {
        (RiskLevel::Warning, warning)
    } else {
        (RiskLevel::Safe, warning)
    };
    Some(RiskFactor {
        name: name.into(),
        value,
        limit,
        unit: unit.into(),
        zone: zone.into(),
        weight: 0.0,
    })
}

/// A factor in words: "context 0.78 (danger from 0.75)".
pub(crate) fn describe_factor(factor: &RiskFactor) -> String {
    let zone = if factor.zone() == RiskLevel::Danger {
        "danger"
    } else {
        "warning"
    };
    let number = |x: f64| {
        if x < 10.0 {
            format!("{x:.2}")
        } else {
            format!("{x:.0}")
        }
    };
    format!(
        "{} {} ({zone} from {})",
        factor.name,
        number(factor.value),
        number(factor.limit)
    )
}

/// The raised factors in words, comma-separated.
pub(crate) fn describe_raised(assessment: &RiskAssessment) -> String {
    assessment
        .factors
        .iter()
        .filter(|f| is_raised(f))
        .map(describe_factor)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_proto::checkpoint::v1::MemoryState;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn assess_at(signals: &Signals, minutes_since_save: i64) -> RiskAssessment {
        let history = RiskHistory {
            opened_at: UnixMicros(0),
            last_checkpoint: Some(UnixMicros(0)),
            tool_calls_at_checkpoint: 5,
            mean_latency_ms: Some(1_000.0),
        };
        assess(
            &RiskLimits::default(),
            signals,
            &history,
            UnixMicros(minutes_since_save * MINUTE),
        )
    }

    fn memory(pressure: f64) -> Option<MemoryState> {
        Some(MemoryState {
            pressure,
            ..Default::default()
        })
    }

    #[test]
    fn nothing_measured_is_safe() {
        let safe = assess_at(&Signals::default(), 1);
        assert_eq!((safe.level(), safe.risk), (RiskLevel::Safe, 0.0));
    }

    #[test]
    fn the_three_weights_add_up() {
        let tokens = Signals {
            estimated_tokens: Some(150_001),
            ..Default::default()
        };
        assert!((assess_at(&tokens, 1).risk - 0.3).abs() < 1e-9);
        assert_eq!(assess_at(&tokens, 1).level(), RiskLevel::Warning);
        assert!((assess_at(&tokens, 9).risk - 0.7).abs() < 1e-9);
        assert_eq!(assess_at(&tokens, 9).level(), RiskLevel::Danger);
        let all = Signals {
            memory: memory(0.81),
            ..tokens
        };
        assert!((assess_at(&all, 9).risk - 1.0).abs() < 1e-9);
        let edge = Signals {
            estimated_tokens: Some(150_000),
            memory: memory(0.8),
            ..Default::default()
        };
        assert_eq!(
            assess_at(&edge, 8).risk,
            0.0,
            "the limits themselves are still fine"
        );
    }

    #[test]
    fn context_alone_and_two_others_together_are_danger() {
        let context = |tokens| Signals {
            estimated_tokens: Some(tokens),
            context_window: Some(100_000),
            ..Default::default()
        };
        assert_eq!(assess_at(&context(59_999), 1).level(), RiskLevel::Safe);
        assert_eq!(assess_at(&context(60_000), 1).level(), RiskLevel::Warning);
        assert_eq!(assess_at(&context(75_000), 1).level(), RiskLevel::Danger);
        let one = Signals {
            message_count: Some(50),
            ..Default::default()
        };
        assert_eq!(assess_at(&one, 1).level(), RiskLevel::Warning);
        let two = Signals {
            tool_calls: Some(20),
            ..one
        };
        assert_eq!(
            assess_at(&two, 1).level(),
            RiskLevel::Danger,
            "15 calls since the checkpoint"
        );
    }

    #[test]
    fn a_known_window_overrules_the_number_of_tokens() {
        let tokens = |tokens, window| {
            let signals = Signals {
                estimated_tokens: Some(tokens),
                context_window: window,
                ..Default::default()
            };
            assess_at(&signals, 1)
        };
        let (unknown, wide) = (tokens(160_000, None), tokens(160_000, Some(1_000_000)));
        assert_eq!(unknown.level(), RiskLevel::Warning);
        assert_eq!((wide.level(), wide.risk), (RiskLevel::Safe, 0.0));
        let factor = wide.factors.iter().find(|factor| factor.name == "tokens");
        let factor = factor.unwrap();
        assert_eq!(
            (factor.value, factor.limit, factor.zone()),
            (160_000.0, 600_000.0, RiskLevel::Safe)
        );
        let full = tokens(600_001, Some(1_000_000));
        assert_eq!((full.level(), full.risk), (RiskLevel::Warning, 0.3));
        // Of a small window the share says more, and the rule stays.
        let small = tokens(160_000, Some(200_000));
        assert_eq!((small.level(), small.risk), (RiskLevel::Danger, 0.3));
    }

    #[test]
    fn failures_and_latency_set_zones() {
        let failing = Signals {
            tool_calls: Some(6),
            tool_failures: Some(2),
            ..Default::default()
        };
        assert_eq!(assess_at(&failing, 1).level(), RiskLevel::Warning);
        let slow = Signals {
            response_latency_ms: Some(4_500.0),
            ..Default::default()
        };
        let assessment = assess_at(&slow, 1);
        assert!(describe_raised(&assessment).contains("latency_growth 4.50 (danger from 4.00)"));
    }
}
