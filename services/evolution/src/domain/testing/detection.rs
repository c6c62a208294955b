//! Which runner a project's tests are for.

use super::runner::RunnerKind;
use super::script::{self, Command};

/// What is known of a project's tests before any of them runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct SuiteFacts {
    /// `scripts` of its package.json.
    pub(crate) scripts: Vec<(String, String)>,
    /// Names of all packages that it depends on.
    pub(crate) dependencies: Vec<String>,
    /// Names of files in its root folder, and its `jest` and `mocha` keys as `package.json#jest`.
    pub(crate) configurations: Vec<String>,
    /// What its test files import, each module once.
    pub(crate) test_imports: Vec<String>,
}

/// A project's tests and how its authors start them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    /// The runner.
    pub(crate) kind: RunnerKind,
    /// The authors' command; empty arguments if they have none.
    pub(crate) command: Command,
}

const CONFIGURATIONS: [(&str, RunnerKind); 5] = [
    ("vitest.config.", RunnerKind::Vitest),
    ("vitest.workspace.", RunnerKind::Vitest),
    ("jest.config.", RunnerKind::Jest),
    ("package.json#jest", RunnerKind::Jest),
    (".mocharc.", RunnerKind::Mocha),
];

/// Finds the runner: the authors' command counts most, then what tests import, then configurations, then dependencies.
/// `None` if nothing speaks for tests.
pub(crate) fn detect(facts: &SuiteFacts) -> Option<Detected> {
    let from_script = script::test_command(&facts.scripts);
    match from_script {
        Some((kind, command)) if kind != RunnerKind::Script => Some(Detected { kind, command }),
        other => {
            by_habit(facts).or_else(|| other.map(|(kind, command)| Detected { kind, command }))
        }
    }
}

/// A wrapper in the script (`tsdx test`, `react-scripts test`) hides the runner; imports and dependencies show it. A script that
/// is another runner of its own is kept, if the tests import no known one.
fn by_habit(facts: &SuiteFacts) -> Option<Detected> {
    let plain = |kind| Detected {
        kind,
        command: Command::default(),
    };
    let imports = |name: &str| facts.test_imports.iter().any(|import| import == name);
    if imports("vitest") {
        return Some(plain(RunnerKind::Vitest));
    }
    if imports("@jest/globals") {
        return Some(plain(RunnerKind::Jest));
    }
    if imports("node:test") {
        return Some(plain(RunnerKind::NodeTest));
    }
    let others = ["ava", "tape", "tap", "uvu", "zora", "@japa/runner"];
    if others.iter().any(|name| imports(name)) {
        return None;
    }
    let configured = CONFIGURATIONS.iter().find(|(start, _)| {
        let mut names = facts.configurations.iter();
        names.any(|name| name.starts_with(start))
    });
    if let Some((_, kind)) = configured {
        return Some(plain(*kind));
    }
    let kinds = [RunnerKind::Vitest, RunnerKind::Jest, RunnerKind::Mocha];
    let depends = |kind: &RunnerKind| {
        let package = kind.package();
        package.is_some_and(|name| facts.dependencies.iter().any(|other| other == name))
    };
    kinds.into_iter().find(depends).map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(
        script: &str,
        dependencies: &[&str],
        configurations: &[&str],
        imports: &[&str],
    ) -> SuiteFacts {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        SuiteFacts {
            scripts: vec![("test".to_owned(), script.to_owned())],
            dependencies: owned(dependencies),
            configurations: owned(configurations),
            test_imports: owned(imports),
        }
    }

    #[test]
    fn the_runner_is_found_by_what_speaks_most_for_it() {
        use RunnerKind::{Jest, Mocha, NodeTest, Script, Vitest};
        let cases = [
            (facts("vitest run", &["jest"], &[], &[]), Some(Vitest)),
            (facts("c8 mocha", &["jest"], &[], &[]), Some(Mocha)),
            (facts("node --test test/", &[], &[], &[]), Some(NodeTest)),
            (
                facts("tsdx test", &["tsdx"], &["jest.config.js"], &[]),
                Some(Jest),
            ),
            (
                facts("gulp test", &["mocha", "gulp"], &[], &[]),
                Some(Mocha),
            ),
            (facts("", &["vitest"], &[], &[]), Some(Vitest)),
            (
                facts("make check", &[], &[], &["node:test"]),
                Some(NodeTest),
            ),
            (
                facts("tape test/*.js", &["tape", "mocha"], &[], &["tape"]),
                Some(Script),
            ),
            (facts("ava", &["ava"], &[], &["ava"]), Some(Script)),
            (facts("node test.js", &[], &[], &["assert"]), Some(Script)),
            (facts("", &[], &["package.json#jest"], &[]), Some(Jest)),
            (facts("", &[], &[".mocharc.yml"], &[]), Some(Mocha)),
            (
                facts("echo \"Error: no test specified\" && exit 1", &[], &[], &[]),
                None,
            ),
            (facts("", &["eslint"], &[], &[]), None),
        ];
        for (facts, expected) in cases {
            let found = detect(&facts).map(|found| found.kind);
            assert_eq!(found, expected, "{facts:?}");
        }
    }
}
