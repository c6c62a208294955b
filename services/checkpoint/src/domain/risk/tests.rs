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
