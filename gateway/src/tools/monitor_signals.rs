//! `shim_monitor_signals`: records the signs of a dying session and says how near its end is.

use shim_proto::checkpoint::v1::{
    RecordSignalsRequest, RecordSignalsResponse, RiskAssessment, RiskFactor, RiskLevel, Signals,
};
use shim_render::page::Page;
use shim_render::words;
use tonic::Status;

use crate::arguments::{Arguments, Named, ParameterType, optional};
use crate::render::brief;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};

/// The contract's limit on tokens and the like.
const MOST: u64 = 1_000_000_000;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_monitor_signals",
    title: "Check how near the session is to its limits",
    description: "Records what is known of the conversation's load and answers how near it is to dying: a level \
        (safe, warning, danger), a risk from 0 to 1 and every raised factor with its value and limit. The gateway \
        measures the memory of the client by itself; the age of the last checkpoint is known to the service.\n\
        Useful every twenty messages or so, after large outputs, and when answers become slow. All arguments are \
        optional; give those that are known. On reaching danger the service itself saves a checkpoint of the last \
        state it knows.",
    parameters: &[
        optional(
            "estimated_tokens",
            ParameterType::Integer { min: 0, max: MOST },
            "Tokens in the context now.",
        ),
        optional(
            "context_window",
            ParameterType::Integer { min: 1, max: MOST },
            "The model's context window in tokens, for example 200000.",
        ),
        optional(
            "message_count",
            ParameterType::Integer { min: 0, max: MOST },
            "Messages in the conversation so far.",
        ),
        optional(
            "tool_calls",
            ParameterType::Integer { min: 0, max: MOST },
            "Tool calls in the conversation so far.",
        ),
        optional(
            "tool_failures",
            ParameterType::Integer { min: 0, max: MOST },
            "How many of the tool calls failed; at most tool_calls.",
        ),
        optional(
            "response_latency_ms",
            ParameterType::Number {
                min: 0.0,
                max: 86_400_000.0,
            },
            "Time the last answer took, in milliseconds.",
        ),
        optional(
            "session_id",
            ParameterType::id(Named::Session),
            "The session, from an earlier answer; left out, this process's own session is used.",
        ),
    ],
    hints: Hints {
        read_only: false,
        destructive: false,
        idempotent: false,
        open_world: false,
    },
    always_load: false,
    outputs: &[
        output("level", "string", "safe, warning or danger."),
        output(
            "previous_level",
            "string",
            "The level before this snapshot, if it was another one.",
        ),
        output(
            "risk",
            "number",
            "The sum of the weights raised, 0..1, if any is.",
        ),
        output(
            "factors",
            "objects",
            "Every raised factor: name, value, limit, unit, zone.",
        ),
        output("advice", "texts", "What the raised factors mean."),
        output(
            "danger_checkpoint",
            "object",
            "The checkpoint the service saved by itself, if it did: number.",
        ),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let arguments = &call.arguments;
    let project = &call.gateway.client_context.project.name;
    let acquire =
        call.gateway
            .sessions
            .acquire(arguments.text("session_id"), project, &call.client);
    let (owned, memory) = tokio::join!(acquire, call.gateway.memory.read());
    let owned = owned?;
    let request = RecordSignalsRequest {
        request_id: request_id(),
        session_id: owned.session_id.clone(),
        epoch: owned.epoch,
        signals: Some(Signals {
            memory,
            ..signals(arguments)
        }),
    };
    let answer = call.gateway.services.record_signals(request).await;
    let answer = answer.map_err(|status| call.gateway.sessions.record_refusal(&owned, status))?;
    Ok(told(&answer)?.with_session(owned.session_id))
}

fn told(answer: &RecordSignalsResponse) -> Result<ToolOutput, Status> {
    let previous = words::risk_level(answer.previous_level());
    let assessment = answer.assessment.as_ref();
    let assessment = assessment.ok_or_else(|| Status::internal("the service judged nothing"))?;
    let advice = advice(assessment);
    let level = words::risk_level(assessment.level());
    let mut text = render(assessment, &advice);
    if previous != level {
        text.line(format!("The level before was {previous}."));
    }
    if let Some(checkpoint) = &answer.danger_checkpoint {
        text.line(format!(
            "The service saved checkpoint {} by itself.",
            checkpoint.number
        ));
    }
    let saved = answer.danger_checkpoint.as_ref().map(brief::number);
    let facts = brief::assessment(assessment)
        .set_unless(level, "previous_level", previous)
        .set_some("advice", advice)
        .set_some("danger_checkpoint", saved);
    Ok(ToolOutput::new(text, facts, next_step(assessment)))
}

/// What the call itself says.
fn signals(arguments: &Arguments) -> Signals {
    Signals {
        estimated_tokens: arguments.integer("estimated_tokens"),
        context_window: arguments.integer("context_window"),
        message_count: arguments.integer("message_count"),
        tool_calls: arguments.integer("tool_calls"),
        tool_failures: arguments.integer("tool_failures"),
        response_latency_ms: arguments.number("response_latency_ms"),
        memory: None,
    }
}

fn raised(assessment: &RiskAssessment) -> impl Iterator<Item = &RiskFactor> {
    assessment
        .factors
        .iter()
        .filter(|factor| factor.zone() > RiskLevel::Safe)
}

fn render(assessment: &RiskAssessment, advice: &[String]) -> Page {
    let mut text = Page::of(format!(
        "Level {}, risk {:.2}.",
        words::risk_level(assessment.level()),
        assessment.risk
    ));
    for factor in raised(assessment) {
        text.line(format!(
            "- {}: {} {} (limit {}, {})",
            factor.name,
            rounded(factor.value),
            factor.unit,
            rounded(factor.limit),
            words::risk_level(factor.zone()),
        ));
    }
    for line in advice {
        text.line(line);
    }
    text
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// What the raised factors mean, as facts: the model decides.
fn advice(assessment: &RiskAssessment) -> Vec<String> {
    let meaning = |factor: &RiskFactor| match factor.name.as_str() {
        "checkpoint_age" => {
            Some("What happened since the last checkpoint would be lost in a crash.")
        }
        "tool_calls" => Some(
            "The tool calls since the last checkpoint would have to be repeated after a crash.",
        ),
        "context" | "tokens" => Some(
            "The context is filling up; what no checkpoint holds is lost when it is compacted.",
        ),
        "messages" | "session_age" => {
            Some("The conversation is long, and long ones are the ones that get cut off.")
        }
        "memory" => {
            Some("The machine is short of memory; the client may be killed without warning.")
        }
        "failure_rate" => {
            Some("Tools fail unusually often; something around them may have changed.")
        }
        "latency_growth" => Some("Answers are getting slower."),
        _ => None,
    };
    let mut lines: Vec<String> = Vec::new();
    for line in raised(assessment).filter_map(meaning) {
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    lines
}

fn next_step(assessment: &RiskAssessment) -> &'static str {
    match assessment.level() {
        RiskLevel::Warning | RiskLevel::Danger => {
            "a checkpoint with shim_auto_checkpoint makes the present state recoverable"
        }
        _ => "go on",
    }
}
