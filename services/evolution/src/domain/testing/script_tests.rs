#![allow(clippy::unwrap_used)]
use RunnerKind::{Jest, Mocha, NodeTest, Script, Vitest};

use super::*;

fn found(scripts: &[(&str, &str)]) -> (RunnerKind, String) {
    let owned: Vec<_> = scripts
        .iter()
        .map(|(name, script)| ((*name).to_owned(), (*script).to_owned()))
        .collect();
    let (kind, command) = test_command(&owned).unwrap();
    let env = command
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let words = command.node_options.iter().map(|word| word.raw.clone());
    let arguments = command.arguments.iter().map(|word| word.raw.clone());
    let text: Vec<_> = env
        .chain(words)
        .chain(["|".to_owned()])
        .chain(arguments)
        .collect();
    (kind, text.join(" "))
}

/// Scripts, their runners, and what is left of them: variables and options of Node before the bar, arguments behind it.
const COMMANDS: [(&str, RunnerKind, &str); 17] = [
    ("vitest", Vitest, "|"),
    (
        "vitest run --config v.ts --coverage",
        Vitest,
        "| --config v.ts",
    ),
    ("vitest watch -u", Vitest, "|"),
    (
        "tsc && jest --watch --coverage -c jest.unit.js",
        Jest,
        "| -c jest.unit.js",
    ),
    (
        "NODE_OPTIONS=--experimental-vm-modules jest",
        Jest,
        "NODE_OPTIONS=--experimental-vm-modules |",
    ),
    (
        "node --experimental-vm-modules node_modules/jest/bin/jest.js --ci",
        Jest,
        "--experimental-vm-modules | --ci",
    ),
    (
        "cross-env NODE_ENV=test nyc mocha -R dot 'test/**/*.js'",
        Mocha,
        "NODE_ENV=test | 'test/**/*.js'",
    ),
    (
        "mocha --require ts-node/register -t 5000 --exit test/*.ts",
        Mocha,
        "| --require ts-node/register -t 5000 test/*.ts",
    ),
    ("nyc --reporter lcov mocha", Mocha, "|"),
    ("mocha -w", Mocha, "|"),
    ("node --test", NodeTest, "|"),
    (
        "node --import tsx --test test/*.test.ts",
        NodeTest,
        "--import tsx | test/*.test.ts",
    ),
    ("tsx --test a.ts", NodeTest, "--import tsx | a.ts"),
    (
        "c8 node --test --test-reporter spec test/",
        NodeTest,
        "| test/",
    ),
    ("node test.js", Script, "| node test.js"),
    (
        "standard && tape test/*.js",
        Script,
        "| standard && tape test/*.js",
    ),
    ("jest -w 2 --reporters=default", Jest, "| -w 2"),
];

#[test]
fn a_script_gives_its_runner_and_what_configures_it() {
    for (script, kind, command) in COMMANDS {
        assert_eq!(
            found(&[("test", script)]),
            (kind, command.to_owned()),
            "{script}"
        );
    }
}

#[test]
fn scripts_that_call_scripts_are_followed_and_circles_end() {
    let through = [
        ("test", "npm run lint && npm run test:unit"),
        ("lint", "eslint ."),
        ("test:unit", "jest"),
    ];
    assert_eq!(found(&through).0, RunnerKind::Jest);
    let pattern = [
        ("test", "run-s 'test:*'"),
        ("test:a", "xo"),
        ("test:b", "mocha"),
    ];
    assert_eq!(found(&pattern).0, RunnerKind::Mocha);
    let wrapped = [
        (
            "test",
            "c8 --all --include index.js --100 npm run unit && tsd",
        ),
        ("unit", "node --test"),
    ];
    assert_eq!(found(&wrapped).0, RunnerKind::NodeTest);
    let circle = [("test", "npm run a"), ("a", "npm run test")];
    assert_eq!(found(&circle).0, RunnerKind::Script);
}

#[test]
fn named_files_replace_those_of_the_script() {
    let left = |kind, script: &str| {
        let scripts = [("test".to_owned(), script.to_owned())];
        let (_, command) = test_command(&scripts).unwrap();
        let words = without_files(kind, &command.arguments);
        words
            .iter()
            .map(|word| word.text.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mocha = "mocha -r x --spec a.js --timeout 5 --bail test/*.js";
    assert_eq!(left(RunnerKind::Mocha, mocha), "-r x --timeout 5 --bail");
    assert_eq!(
        left(RunnerKind::Jest, "jest --config c.js src"),
        "--config c.js"
    );
}
