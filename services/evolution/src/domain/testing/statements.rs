//! The text of one test: what it calls and what it expects.

use super::candidates::{Candidate, Claim};
use super::habits::Assertions;
use super::render::{TestFile, quoted};

/// Classes of errors that every test can name.
const BUILT_IN_ERRORS: [&str; 5] = [
    "Error",
    "TypeError",
    "RangeError",
    "EvalError",
    "AggregateError",
];

impl TestFile<'_> {
    pub(super) fn test(&self, test: &Candidate, title: &str) -> String {
        let body = match &test.claim {
            Claim::Value {
                args,
                expected,
                changed,
            } => self.value(test, args, expected, changed),
            Claim::Throws {
                args,
                name,
                message,
            } => self.throws(test, args, name, message.as_deref()),
            Claim::Sequence(sequence) => self.sequence(test, sequence),
            claim if self.is_random(test) => self.random_property(test, claim),
            claim => self.property(test, claim),
        };
        // With fast-check it is the inner function that waits.
        let is_waiting = match &test.claim {
            Claim::Sequence(sequence) => sequence.is_waiting(),
            _ => test.is_async,
        };
        let word = if is_waiting { "async " } else { "" };
        let body: String = body.iter().map(|line| format!("    {line}\n")).collect();
        let (_, case) = self.habits.words();
        format!("  {case}({}, {word}() => {{\n{body}  }});\n", quoted(title))
    }

    fn call(&self, test: &Candidate, args: &str) -> String {
        let call = format!("{}({args})", self.callee(test.f));
        match (test.is_async, test.is_iterator) {
            (true, _) => format!("await {call}"),
            (_, true) => format!("[...{call}]"),
            _ => call,
        }
    }

    fn value(
        &self,
        test: &Candidate,
        args: &[String],
        expected: &str,
        changed: &[Option<String>],
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut after = Vec::new();
        let mut names = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            match changed.get(at).and_then(Option::as_ref) {
                Some(text) => {
                    let name = format!("input{}", at + 1);
                    lines.push(format!("const {name} = {arg};"));
                    after.push(self.same(&name, text));
                    names.push(name);
                }
                None => names.push(arg.clone()),
            }
        }
        let call = self.call(test, &names.join(", "));
        lines.push(self.same(&call, expected));
        lines.extend(after);
        lines
    }

    /// That a value is as its source says.
    pub(super) fn same(&self, actual: &str, expected: &str) -> String {
        let is_plain = !expected.starts_with(['[', '{', '/']) && !expected.starts_with("new ");
        match (self.habits.assertions, is_plain) {
            (Assertions::Expect, true) => format!("expect({actual}).toBe({expected});"),
            (Assertions::Expect, false) => format!("expect({actual}).toEqual({expected});"),
            (Assertions::Assert, true) => format!("assert.equal({actual}, {expected});"),
            (Assertions::Assert, false) => format!("assert.deepEqual({actual}, {expected});"),
            (Assertions::Chai, true) if expected == "NaN" => format!("expect({actual}).to.be.NaN;"),
            (Assertions::Chai, true) => format!("expect({actual}).to.equal({expected});"),
            (Assertions::Chai, false) => format!("expect({actual}).to.deep.equal({expected});"),
        }
    }

    /// That two values are alike, whatever they are.
    fn alike(&self, actual: &str, expected: &str) -> String {
        match self.habits.assertions {
            Assertions::Expect => format!("expect({actual}).toEqual({expected});"),
            Assertions::Assert => format!("assert.deepEqual({actual}, {expected});"),
            Assertions::Chai => format!("expect({actual}).to.deep.equal({expected});"),
        }
    }

    fn throws(
        &self,
        test: &Candidate,
        args: &[String],
        name: &str,
        message: Option<&str>,
    ) -> Vec<String> {
        let call = format!("{}({})", self.callee(test.f), args.join(", "));
        self.throws_of(&call, test.is_async, name, message)
    }

    /// That a call ends with an error.
    pub(super) fn throws_of(
        &self,
        call: &str,
        is_async: bool,
        name: &str,
        message: Option<&str>,
    ) -> Vec<String> {
        let class = BUILT_IN_ERRORS.contains(&name).then_some(name);
        let message = message.filter(|text| !text.is_empty()).map(quoted);
        let told = class.map(str::to_owned).into_iter().chain(message.clone());
        let told: Vec<String> = told.collect();
        match (self.habits.assertions, is_async) {
            (Assertions::Expect, false) => expected_throws(&format!("expect(() => {call})"), told),
            (Assertions::Expect, true) => {
                expected_throws(&format!("await expect({call}).rejects"), told)
            }
            (Assertions::Assert, false) => {
                vec![format!(
                    "assert.throws(() => {call}{});",
                    error_form(class, message)
                )]
            }
            (Assertions::Assert, true) => {
                let form = error_form(class, message);
                vec![format!("await assert.rejects(() => {call}{form});")]
            }
            (Assertions::Chai, false) => {
                let told = told.join(", ");
                vec![format!("expect(() => {call}).to.throw({told});")]
            }
            (Assertions::Chai, true) => vec![
                format!("const error = await {call}.then(() => undefined, (reason) => reason);"),
                "expect(error).to.be.an('error');".to_owned(),
                message.map_or_else(String::new, |text| {
                    format!("expect(error.message).to.equal({text});")
                }),
            ],
        }
    }

    fn property(&self, test: &Candidate, claim: &Claim) -> Vec<String> {
        let inputs = inputs_of(claim);
        let is_unary = inputs.iter().all(|row| row.len() == 1);
        let mut lines = vec![format!(
            "const inputs{} = [",
            self.input_type(test, is_unary)
        )];
        for sources in inputs {
            let row = sources.join(", ");
            lines.push(if is_unary {
                format!("  {row},")
            } else {
                format!("  [{row}],")
            });
        }
        lines.push("];".to_owned());
        let row = if is_unary { "input" } else { "args" };
        lines.push(format!("for (const {row} of inputs) {{"));
        let body = self.statements(test, claim, is_unary);
        lines.extend(body.iter().map(|line| format!("  {line}")));
        lines.push("}".to_owned());
        lines
    }

    /// What the compiler must be told, where there is one.
    fn input_type(&self, test: &Candidate, is_unary: bool) -> String {
        let is_typed = matches!(self.habits.extension.as_str(), "ts" | "mts" | "cts" | "tsx");
        let local = self.callee(test.f);
        match (is_typed, is_unary) {
            (true, true) => format!(": Parameters<typeof {local}>[0][]"),
            (true, false) => format!(": Parameters<typeof {local}>[]"),
            _ => String::new(),
        }
    }

    /// A property of inputs that fast-check makes.
    fn random_property(&self, test: &Candidate, claim: &Claim) -> Vec<String> {
        let arbitraries = self.arbitraries.get(&test.id).cloned().unwrap_or_default();
        let is_unary = arbitraries.len() == 1;
        let names = if is_unary { "input" } else { "...args" };
        let (wait, kind, word) = if test.is_async {
            ("await ", "asyncProperty", "async ")
        } else {
            ("", "property", "")
        };
        let list = arbitraries.join(", ");
        let mut lines = vec![
            format!("{wait}fc.assert("),
            format!("  fc.{kind}({list}, {word}({names}) => {{"),
        ];
        let body = self.statements(test, claim, is_unary);
        lines.extend(body.iter().map(|line| format!("    {line}")));
        lines.push("  }),".to_owned());
        let seed = self.seed;
        lines.push(format!("  {{ seed: {seed}, numRuns: 100 }},"));
        lines.push(");".to_owned());
        lines
    }

    /// What a property says of each input.
    fn statements(&self, test: &Candidate, claim: &Claim, is_unary: bool) -> Vec<String> {
        let (row, spread, first, again) = if is_unary {
            ("input", "input", "input", "once")
        } else {
            ("args", "...args", "args[0]", "once, ...args.slice(1)")
        };
        let call = self.call(test, spread);
        let is_true = |text: &str| self.same(text, "true");
        let value = |statement: String| vec![format!("const value = {call};"), statement];
        match claim {
            Claim::Type { r#type, .. } => vec![self.of_type(&call, r#type)],
            Claim::Integer { .. } => vec![is_true(&format!("Number.isInteger({call})"))],
            Claim::NotNegative { .. } => vec![is_true(&format!("{} >= 0", parenthesized(&call)))],
            Claim::Within { low, high, .. } => {
                let (low, high) = (format!("args[{low}]"), format!("args[{high}]"));
                let inside = format!("{low} > {high} || (value >= {low} && value <= {high})");
                value(is_true(&inside))
            }
            Claim::KeepsInput { .. } => vec![
                format!("const copy = structuredClone({row});"),
                format!("{call};"),
                self.alike(row, "copy"),
            ],
            Claim::Idempotent { .. } => vec![
                format!("const once = {call};"),
                self.alike(&self.call(test, again), "once"),
            ],
            Claim::Commutes { .. } => {
                vec![self.alike(&self.call(test, "args[1], args[0]"), &call)]
            }
            Claim::SameLength { .. } => {
                value(self.same("value.length", &format!("{first}.length")))
            }
            Claim::NotLonger { .. } => value(is_true(&format!("value.length <= {first}.length"))),
            Claim::RoundTrip { other, .. } => {
                vec![self.alike(&self.taken_back(test, *other, &call), first)]
            }
            Claim::Value { .. } | Claim::Throws { .. } | Claim::Sequence(_) => Vec::new(),
        }
    }

    /// The call of the function that takes back what a call returns.
    fn taken_back(&self, test: &Candidate, other: u32, call: &str) -> String {
        let back = format!("{}({})", self.callee(other), parenthesized(call));
        let wait = if test.is_async { "await " } else { "" };
        format!("{wait}{back}")
    }

    fn of_type(&self, call: &str, name: &str) -> String {
        match name {
            "array" => self.same(&format!("Array.isArray({call})"), "true"),
            "null" => self.same(call, "null"),
            name => self.same(&format!("typeof ({call})"), &quoted(name)),
        }
    }
}

/// A line for the class of an error and one for its message; one for any error if neither is known.
fn expected_throws(start: &str, told: Vec<String>) -> Vec<String> {
    let told = if told.is_empty() {
        vec![String::new()]
    } else {
        told
    };
    let lines = told.iter().map(|what| format!("{start}.toThrow({what});"));
    lines.collect()
}

/// The form of an error as `node:assert` takes it, after a comma; empty for any error.
fn error_form(class: Option<&str>, message: Option<String>) -> String {
    let name = class.map(|name| format!("name: '{name}'"));
    let message = message.map(|text| format!("message: {text}"));
    let parts: Vec<String> = name.into_iter().chain(message).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(", {{ {} }}", parts.join(", "))
}

fn parenthesized(call: &str) -> String {
    if call.starts_with("await ") {
        format!("({call})")
    } else {
        call.to_owned()
    }
}

/// The inputs of a property; none for a single call.
pub(crate) fn inputs_of(claim: &Claim) -> &[Vec<String>] {
    match claim {
        Claim::Value { .. } | Claim::Throws { .. } | Claim::Sequence(_) => &[],
        Claim::Type { inputs, .. }
        | Claim::Integer { inputs }
        | Claim::NotNegative { inputs }
        | Claim::Within { inputs, .. }
        | Claim::KeepsInput { inputs }
        | Claim::Idempotent { inputs }
        | Claim::Commutes { inputs }
        | Claim::SameLength { inputs }
        | Claim::NotLonger { inputs }
        | Claim::RoundTrip { inputs, .. } => inputs,
    }
}
