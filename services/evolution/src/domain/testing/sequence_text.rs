//! The text of a test of calls on an instance.

use super::candidates::Candidate;
use super::habits::Assertions;
use super::render::TestFile;
use super::sequence::{INSTANCE, Sequence};

impl TestFile<'_> {
    /// Makes the instance, calls what comes before, and states what the last call does.
    pub(super) fn sequence(&self, test: &Candidate, sequence: &Sequence) -> Vec<String> {
        let class = self.callee(test.f);
        let name = self.instance_name(&class);
        let made = sequence.steps.first().map_or("", String::as_str);
        let new = if sequence.is_made_by_call { "" } else { "new " };
        let construction = format!("{new}{class}({made})");
        let throws = |call: &str, waits: bool| {
            let error = sequence.throws.as_ref()?;
            Some(self.throws_of(call, waits, &error.name, error.message.as_deref()))
        };
        if sequence.is_construction()
            && let Some(lines) = throws(&construction, false)
        {
            return lines;
        }
        let mut lines = vec![format!("const {name} = {construction};")];
        let steps = sequence.steps.iter().enumerate().skip(1);
        for (at, step) in steps {
            let waits = sequence.waits.get(at) == Some(&true);
            let call = format!("{name}.{step}");
            let awaited = if waits {
                format!("await {call}")
            } else {
                call.clone()
            };
            if at + 1 < sequence.steps.len() {
                lines.push(format!("{awaited};"));
            } else if let Some(thrown) = throws(&call, waits) {
                lines.extend(thrown);
            } else {
                lines.push(self.last_call(sequence, &awaited, &name));
            }
        }
        let state = sequence.state.iter();
        lines.extend(state.map(|(member, text)| self.same(&format!("{name}.{member}"), text)));
        lines
    }

    /// What the last call returns; where that is nothing, the state afterwards says all.
    fn last_call(&self, sequence: &Sequence, call: &str, name: &str) -> String {
        match sequence.expected.as_str() {
            "undefined" if !sequence.state.is_empty() => format!("{call};"),
            INSTANCE => match self.habits.assertions {
                Assertions::Expect => format!("expect({call}).toBe({name});"),
                Assertions::Assert => format!("assert.equal({call}, {name});"),
                Assertions::Chai => format!("expect({call}).to.equal({name});"),
            },
            expected => self.same(call, expected),
        }
    }

    /// `Stack` has an instance `stack`.
    fn instance_name(&self, class: &str) -> String {
        let mut chars = class.chars();
        let first = chars.next().map(|it| it.to_lowercase().to_string());
        let name = first.unwrap_or_default() + chars.as_str();
        if self.is_free(&name) && name != class {
            name
        } else {
            "instance".to_owned()
        }
    }
}
