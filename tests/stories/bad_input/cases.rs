//! Cases of one wrong field each, and what a good refusal of them looks like.

use serde_json::{Value, json};
use shim_runtime::service_error::DecodedStatus;
use tonic::Code;

use super::wire::Wire;

pub(crate) const MEBIBYTE: usize = 1024 * 1024;
pub(crate) const MEMORY_LIMIT: u64 = 300 * MEBIBYTE as u64;

/// A value that must be refused where `pointer` says.
struct Case {
    method: &'static str,
    pointer: &'static str,
    bad: Value,
    /// Must stand in the refusal: a limit, mostly.
    says: &'static str,
}

#[derive(Default)]
pub(crate) struct Cases(Vec<Case>);

impl Cases {
    pub(crate) fn add(
        &mut self,
        methods: &[&'static str],
        pointer: &'static str,
        bad: impl IntoIterator<Item = (Value, &'static str)>,
    ) {
        for (bad, says) in bad {
            for method in methods {
                self.0.push(Case {
                    method,
                    pointer,
                    bad: bad.clone(),
                    says,
                });
            }
        }
    }

    /// A text of at most `limit` bytes: one byte more, 10 MB, and with a NUL.
    pub(crate) fn text(
        &mut self,
        methods: &[&'static str],
        pointer: &'static str,
        limit: usize,
        says: &'static str,
    ) {
        let bad = [
            (long(limit + 1), says),
            (long(10 * MEBIBYTE), says),
            (json!("a\0b"), "NUL"),
        ];
        self.add(methods, pointer, bad);
    }

    /// An id: wrong forms and path tricks.
    pub(crate) fn id(&mut self, methods: &[&'static str], pointer: &'static str) {
        let wrong = [
            "nonsense",
            "../../etc/passwd",
            "%2e%2e%2f",
            "00000000-0000-0000-0000-00000000000g",
            "\0",
        ];
        self.add(methods, pointer, wrong.map(|id| (json!(id), "UUID")));
        self.add(methods, pointer, [(long(10 * MEBIBYTE), "UUID")]);
    }

    pub(crate) fn required_id(&mut self, methods: &[&'static str], pointer: &'static str) {
        self.id(methods, pointer);
        self.add(
            methods,
            pointer,
            [(json!(""), "missing"), (Value::Null, "missing")],
        );
    }

    pub(crate) fn fraction(&mut self, methods: &[&'static str], pointer: &'static str) {
        let wrong = [
            json!("NaN"),
            json!("Infinity"),
            json!("-Infinity"),
            json!(-0.001),
            json!(1.001),
        ];
        self.add(methods, pointer, wrong.map(|value| (value, "from 0 to 1")));
    }

    /// A list of at most 1,000 texts of at most 8,192 bytes.
    pub(crate) fn texts(&mut self, methods: &[&'static str], pointer: &'static str) {
        let bad = [
            (json!(vec!["x"; 1001]), "1000"),
            (json!(vec!["x"; 100_000]), "1000"),
            (json!(["fine", "x".repeat(8193)]), "8192"),
            (json!(["x".repeat(10 * MEBIBYTE)]), "8192"),
            (json!([""]), "empty"),
        ];
        self.add(methods, pointer, bad);
    }
}

pub(crate) fn long(bytes: usize) -> Value {
    json!("x".repeat(bytes))
}

impl Case {
    /// The field as violations name it: `/subtasks/0/key` is `subtasks[0].key`.
    fn field(&self) -> String {
        let mut field = String::new();
        for part in self.pointer.split('/').skip(1) {
            if part.bytes().all(|byte| byte.is_ascii_digit()) {
                field.push_str(&format!("[{part}]"));
            } else {
                field.push_str(if field.is_empty() { "" } else { "." });
                field.push_str(part);
            }
        }
        field
    }

    /// What is wrong with the answer, if anything.
    fn complaint(&self, answer: Result<Value, DecodedStatus>) -> Option<String> {
        let shown: String = self.bad.to_string().chars().take(60).collect();
        let about = format!("{} {} = {shown}", self.method, self.pointer);
        let refusal = match answer {
            Ok(_) => return Some(format!("{about}: was accepted")),
            Err(refusal) => refusal,
        };
        let field = self.field();
        let named = refusal
            .violations
            .iter()
            .find(|(name, _)| name.starts_with(&field));
        let says_so =
            named.is_some_and(|(name, rule)| name.contains(self.says) || rule.contains(self.says));
        let right = refusal.code == Code::InvalidArgument && says_so;
        (!right).then(|| {
            format!(
                "{about}: {:?} {} {:?}",
                refusal.code, refusal.reason, refusal.violations
            )
        })
    }
}

/// Sets the value behind a JSON pointer; null takes it away.
pub(crate) fn set(request: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = request
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {parent} in the valid request"));
    match parent {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        Value::Object(fields) if value.is_null() => {
            fields.remove(name);
        }
        object => object[name] = value,
    }
}

/// Sends every case, patched onto a valid request of its method; every one must be refused by name.
pub(crate) async fn assert_all_refused(wire: &Wire, cases: &Cases, valid: impl Fn(&str) -> Value) {
    let mut wrong = Vec::new();
    for case in &cases.0 {
        let mut request = valid(case.method);
        set(&mut request, case.pointer, case.bad.clone());
        if let Some(complaint) = case.complaint(wire.call(case.method, &request).await) {
            wrong.push(complaint);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.0.len(),
        wrong.join("\n")
    );
}
