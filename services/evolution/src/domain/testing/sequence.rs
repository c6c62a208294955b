//! Sequences of calls on an instance, and what they show.

use serde::Serialize;

use super::observation::Seen;

/// Stands for the instance in the place of a returned value.
pub(crate) const INSTANCE: &str = "this";

/// An error that a call ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Thrown {
    /// Its class.
    pub(crate) name: String,
    /// Its message.
    pub(crate) message: Option<String>,
}

/// Calls on an instance, one after the other, and the outcome of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sequence {
    /// Sources: of the constructor's arguments, then calls of methods.
    pub(crate) steps: Vec<String>,
    /// Whether a call of a function makes the instance, and not `new`.
    pub(crate) is_made_by_call: bool,
    /// The source of what the last call returns; [`INSTANCE`] for the instance.
    pub(crate) expected: String,
    /// What the last call throws, if it does.
    pub(crate) throws: Option<Thrown>,
    /// What can be read of the instance afterwards: names with sources.
    pub(crate) state: Vec<(String, String)>,
    /// Which steps answer by a promise.
    pub(crate) waits: Vec<bool>,
}

impl Sequence {
    /// Whether it makes an instance and calls nothing on it.
    pub(crate) fn is_construction(&self) -> bool {
        self.steps.len() == 1
    }

    /// Whether a step answers by a promise.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits.contains(&true)
    }

    /// What it costs a reader besides its inputs: a line for each step and each thing that is expected.
    pub(crate) fn cost(&self) -> usize {
        let state: usize = self.state.iter().map(|(_, text)| 10 + text.len()).sum();
        self.steps.len() * 25 + self.expected.len() + state
    }
}

/// What an observed sequence states; `None` if nothing was to be seen.
pub(super) fn sequence(steps: &[String], seen: &Seen, is_made_by_call: bool) -> Option<Sequence> {
    let throws = seen.error.as_ref().map(|error| Thrown {
        name: error.class.clone(),
        message: Some(error.message.clone()),
    });
    let expected = seen.value.clone().unwrap_or_default();
    let is_silent = throws.is_none() && seen.state.is_empty() && expected == "undefined";
    (!is_silent).then(|| Sequence {
        steps: steps.to_vec(),
        is_made_by_call,
        expected,
        throws,
        state: seen.state.clone(),
        waits: seen.waits.clone(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::testing::observation::SeenError;

    fn steps(list: &[&str]) -> Vec<String> {
        list.iter().map(|step| (*step).to_owned()).collect()
    }

    #[test]
    fn a_sequence_states_a_value_an_error_or_what_changed() {
        let quiet = Seen {
            value: Some("undefined".to_owned()),
            ..Seen::default()
        };
        assert_eq!(sequence(&steps(&["", "clear()"]), &quiet, false), None);
        let changing = Seen {
            state: vec![("size".to_owned(), "0".to_owned())],
            ..quiet.clone()
        };
        let made = sequence(&steps(&["", "clear()"]), &changing, false).unwrap();
        assert_eq!(made.state, changing.state);
        let failing = Seen {
            error: Some(SeenError {
                class: "RangeError".to_owned(),
                message: "full".to_owned(),
                ..SeenError::default()
            }),
            ..Seen::default()
        };
        let made = sequence(&steps(&["1", "push(2)"]), &failing, true).unwrap();
        assert!(made.is_made_by_call);
        assert_eq!(made.throws.unwrap().name, "RangeError");
    }
}
