//! Hostile texts in every text field of every RPC that takes one message. What refuses one is asked again with what it
//! may take; refusals are outputs, too.

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value;
use shim_runtime::service_error::{DecodedStatus, decode};
use shim_tests::calls::request_id;
use tonic::Code;

use super::World;
use super::texts::{Hostile, faults};
use crate::bad_input::coordination;
use crate::bad_input::secrets::fields::{FieldPath, field_paths, name, put};
use crate::bad_input::tasks::WorkFixture;
use crate::bad_input::valid;
use crate::bad_input::wire::Wire;

/// Requests until a method takes one.
const TRIES: usize = 12;
/// Fields that say which thing is meant, or where a list goes on: another text there means nothing.
const MEANING: [&str; 12] = [
    "request_id",
    "inbox",
    "page_token",
    "after_cursor",
    "namespace",
    "workspace",
    "queues",
    "executor",
    "channels",
    "patterns",
    "fence.lock",
    "blake3",
];

pub(super) struct Planter {
    hostile: Hostile,
    checkpoint: Wire,
    coordination: Wire,
    worker: Wire,
}

/// The text that a field is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Lines,
    Line,
    Valid,
}

impl Planter {
    pub(super) fn new(world: &World, hostile: Hostile) -> Self {
        Self {
            hostile,
            checkpoint: Wire::to(&world.service),
            coordination: Wire::to_coordination(&world.service),
            worker: Wire::to_worker(&world.service),
        }
    }

    /// Plants the texts, and returns what is wrong with the refusals.
    pub(super) async fn plant(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut taken = BTreeSet::new();
        for wire in [&self.checkpoint, &self.coordination, &self.worker] {
            for method in wire.methods() {
                // What deletes what was planted is of no use here.
                if ["DeleteSession", "Prune", "PruneTasks", "DeleteState"].contains(&method.name())
                {
                    continue;
                }
                let (valid, last) = self.valid_request(wire, method.name()).await;
                if self.plant_in(wire, &method, &valid, &mut faults).await {
                    taken.insert(method.name().to_owned());
                }
                self.refuse_each(wire, &method, &valid, &mut faults).await;
                if let Some(release) = last {
                    // Some methods let it go themselves.
                    let _ = wire.call("ReleaseLock", &release).await;
                }
            }
        }
        for method in [
            "OpenSession",
            "SaveCheckpoint",
            "RestoreCheckpoint",
            "SubmitTask",
            "CompleteTask",
            "FailTask",
            "ReportProgress",
            "SendMessage",
            "AcquireLock",
            "AcquireFiles",
            "PutState",
            "RegisterWorker",
            "Heartbeat",
            "CancelTask",
        ] {
            if !taken.contains(method) {
                faults.push(format!("{method} took no hostile text"));
            }
        }
        faults
    }

    /// A request of the method about things of its own, and the one that lets its lock go.
    async fn valid_request(&self, wire: &Wire, method: &str) -> (Value, Option<Value>) {
        match wire {
            wire if std::ptr::eq(wire, &self.checkpoint) => {
                (valid::Fixture::make(wire).await.request(method), None)
            }
            wire if std::ptr::eq(wire, &self.coordination) => {
                let fixture = coordination::Fixture::make(wire).await;
                (
                    fixture.request(method),
                    Some(fixture.request("ReleaseLock")),
                )
            }
            wire => {
                let fixture = WorkFixture::make(&self.coordination, wire).await;
                (fixture.request(method), None)
            }
        }
    }

    fn text(&self, level: Level) -> &str {
        match level {
            Level::Lines => &self.hostile.lines,
            _ => &self.hostile.line,
        }
    }

    /// Hostile texts in as many fields at once as the method takes; whether it took any.
    async fn plant_in(
        &self,
        wire: &Wire,
        method: &MethodDescriptor,
        valid: &Value,
        faults: &mut Vec<String>,
    ) -> bool {
        let means_something = |path: &FieldPath| {
            let (whole, last) = (name(path), path.last().unwrap().name().to_owned());
            last.ends_with("_id")
                || last.ends_with("_ids")
                || last.starts_with("depends_on")
                || MEANING
                    .iter()
                    .any(|field| whole == *field || last == *field)
        };
        let mut levels: Vec<(FieldPath, Level)> = field_paths(&method.input())
            .into_iter()
            .filter(|path| !means_something(path))
            .map(|path| (path, Level::Lines))
            .collect();
        for _ in 0..TRIES {
            let mut message = self.message(method, valid);
            for (path, level) in levels.iter().filter(|(_, level)| *level != Level::Valid) {
                put(
                    &mut message,
                    path,
                    self.text(*level),
                    self.text(Level::Line),
                );
            }
            let Err(refusal) = self.send(wire, method, &message, faults).await else {
                return levels.iter().any(|(_, level)| *level != Level::Valid);
            };
            if !self.lower(&mut levels, &refusal) {
                return false;
            }
        }
        false
    }

    /// Gives the refused fields what they may take; `false` if there is nothing left to change.
    fn lower(&self, levels: &mut [(FieldPath, Level)], refusal: &DecodedStatus) -> bool {
        let refused: Vec<String> = refusal
            .violations
            .iter()
            .map(|(field, _)| plain(field))
            .collect();
        let is_named = |path: &FieldPath| {
            let path = name(path);
            refused.iter().any(|field| {
                *field == path
                    || field.starts_with(&format!("{path}."))
                    || path.starts_with(&format!("{field}."))
            })
        };
        let none_is_named = !levels
            .iter()
            .any(|(path, level)| *level != Level::Valid && is_named(path));
        let mut changed = false;
        for (path, level) in levels.iter_mut() {
            if *level != Level::Valid && (none_is_named || is_named(path)) {
                *level = match level {
                    Level::Lines => Level::Line,
                    _ => Level::Valid,
                };
                changed = true;
            }
        }
        changed
    }

    /// Each text field by itself, so that each refusal is read.
    async fn refuse_each(
        &self,
        wire: &Wire,
        method: &MethodDescriptor,
        valid: &Value,
        faults: &mut Vec<String>,
    ) {
        for path in field_paths(&method.input()) {
            for level in [Level::Lines, Level::Line] {
                let mut message = self.message(method, valid);
                put(
                    &mut message,
                    &path,
                    self.text(level),
                    self.text(Level::Line),
                );
                let _ = self.send(wire, method, &message, faults).await;
            }
        }
    }

    fn message(&self, method: &MethodDescriptor, valid: &Value) -> DynamicMessage {
        let mut valid = valid.clone();
        if valid.get("request_id").is_some() {
            valid["request_id"] = request_id().into();
        }
        DynamicMessage::deserialize(method.input(), &valid).unwrap()
    }

    async fn send(
        &self,
        wire: &Wire,
        method: &MethodDescriptor,
        message: &DynamicMessage,
        faults: &mut Vec<String>,
    ) -> Result<(), DecodedStatus> {
        let Err(status) = wire.send(method, message.encode_to_vec().into()).await else {
            return Ok(());
        };
        let what = method.name();
        faults.extend(self::faults(what, status.message()));
        let decoded = decode(&status);
        if decoded.code == Code::Internal || decoded.code == Code::Unknown {
            faults.push(format!("{what}: {decoded}"));
        }
        for (field, rule) in &decoded.violations {
            // A client puts the field before its rule, so the rule does not begin a line.
            faults.extend(self::faults(what, &format!("field {field}: {rule}")));
        }
        Err(decoded)
    }
}

/// A field as the contract has it: without the places in lists.
fn plain(field: &str) -> String {
    let mut plain = String::new();
    let mut is_within = false;
    for c in field.chars() {
        match c {
            '[' => is_within = true,
            ']' => is_within = false,
            c if !is_within => plain.push(c),
            _ => {}
        }
    }
    plain
}
